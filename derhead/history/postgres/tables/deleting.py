"""PostgreSQL's retention: deletes old rows in small steps.

Runs on the asyncio loop. Telemetry goes in whole partitions, everything else row by row.
"""

from derhead.history.postgres.connections.driver import PostgresConnection
from derhead.history.postgres.tables.partitions import Partitions
from derhead.history.sql.listings import OVER

ROWS_A_STEP = 5_000
"""Rows that one statement deletes."""


def _deletion(table: str, condition: str) -> str:
    return (
        f"DELETE FROM {table} WHERE ctid IN"
        f" (SELECT t.ctid FROM {table} t WHERE {condition} LIMIT {ROWS_A_STEP})"
    )


_DELETIONS = (
    _deletion("heartbeats", "t.received_us < $1"),
    _deletion("sessions", "t.ended_us < $1"),
    _deletion("gaps", "t.end_us < $1 AND t.start_us < $1"),
    _deletion("idempotency_keys", "t.created_us < $1"),
    _deletion("service_levels", "t.hour_us < $1"),
    # The states of a dispatch go after it.
    _deletion(
        "dispatches",
        f"t.created_us < $1 AND t.state IN ({OVER}) AND NOT EXISTS (SELECT 1 FROM"
        " dispatch_states s WHERE s.dispatch_id = t.id AND s.at_us >= $1)",
    ),
    _deletion(
        "dispatch_states",
        "t.at_us < $1 AND NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.id = t.dispatch_id)",
    ),
    _deletion(
        "dispatch_groups",
        "t.created_us < $1 AND NOT EXISTS (SELECT 1 FROM dispatches d WHERE d.group_id = t.id)",
    ),
)


_AUDIT = _deletion("audit", "t.at_us < $1")


async def expire(
    connection: PostgresConnection, partitions: Partitions, cut_us: int, audit_us: int
) -> bool:
    """Deletes rows from before the cut; returns whether there may be more.

    ``audit_us``: the cut of the audit trail.

    In the default partition the time of arrival counts: its rows come from clocks that are far off.
    """
    await partitions.drop_before(cut_us)
    deletions = list(_DELETIONS)
    default = await partitions.default()
    if default is not None:
        deletions.append(_deletion(default, "t.received_us < $1"))
    more = False
    for statement in deletions:
        done = await connection.execute(statement, cut_us)
        more = more or done == f"DELETE {ROWS_A_STEP}"
    done = await connection.execute(_AUDIT, audit_us)
    return more or done == f"DELETE {ROWS_A_STEP}"

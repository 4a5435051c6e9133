"""What a headend needs at its start if PostgreSQL knows more than its journal.

Runs on the asyncio loop.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from derhead.history.postgres.connections.driver import PostgresConnection, Row, transaction
from derhead.history.postgres.tables.days import AHEAD_DAYS, DAY_US
from derhead.history.postgres.tables.fed_database import Prepared
from derhead.history.sql import row_types
from derhead.history.sql.listings import OPEN

SAMPLES_DAYS = 7
"""How far back to look for an asset's newest sample."""

LEVELS_DAYS = 8
"""How far back to look for the last hour of an asset's service levels."""

KEYS_US = DAY_US
"""Greatest age of an idempotency key."""


@dataclass(frozen=True, slots=True)
class LastState:
    """What was found, as of one moment."""

    prepared: Prepared
    tables: dict[str, list[Row]]
    """By table, in the order of the journal's columns."""
    samples: list[Row]
    """(asset, agent, boot, ts_us), then the other columns of telemetry."""


def _select(table: str, columns: tuple[str, ...], condition: str) -> str:
    return f"SELECT {', '.join(f't.{name}' for name in columns)} FROM {table} t WHERE {condition}"


_OPEN_DISPATCHES = f"SELECT id FROM dispatches WHERE state IN ({OPEN})"
_OF_OPEN = (
    f"t.id IN (SELECT group_id FROM dispatches WHERE group_id IS NOT NULL AND state IN ({OPEN}))"
)

_TABLES = {
    # An open group needs all its parts, to sum them up.
    "dispatches": _select(
        "dispatches",
        row_types.DISPATCHES,
        f"t.state IN ({OPEN}) OR t.id = ANY($1::text[]) OR t.group_id IN"
        f" (SELECT group_id FROM dispatches WHERE state IN ({OPEN}))",
    ),
    "dispatch_states": _select(
        "dispatch_states",
        row_types.DISPATCH_STATES,
        f"t.dispatch_id IN ({_OPEN_DISPATCHES}) OR t.dispatch_id = ANY($1::text[])"
        f" OR t.dispatch_id IN (SELECT id FROM dispatches"
        f" WHERE group_id IN (SELECT group_id FROM dispatches WHERE state IN ({OPEN})))",
    ),
    "dispatch_groups": _select("dispatch_groups", row_types.GROUPS, _OF_OPEN),
    "idempotency_keys": _select("idempotency_keys", row_types.USED_KEYS, "t.created_us >= $1"),
    "sessions": _select(
        "sessions",
        row_types.SESSIONS,
        "t.ended_us IS NULL OR t.session_id IN (SELECT DISTINCT ON (agent_id) session_id"
        " FROM sessions ORDER BY agent_id, connected_us DESC, session_id DESC)",
    ),
    "heartbeats": _select(
        "heartbeats",
        row_types.HEARTBEATS,
        "t.received_us >= $1 AND (t.agent_id, t.received_us, t.ts_us) IN"
        " (SELECT DISTINCT ON (agent_id) agent_id, received_us, ts_us FROM heartbeats"
        " WHERE received_us >= $1 ORDER BY agent_id, received_us DESC, ts_us DESC)",
    ),
    "service_levels": _select(
        "service_levels",
        row_types.LEVELS,
        "t.hour_us >= $1 AND (t.asset_id, t.hour_us) IN (SELECT asset_id, max(hour_us)"
        " FROM service_levels WHERE hour_us >= $1 GROUP BY asset_id)",
    ),
    "gaps": _select(
        "gaps", row_types.GAPS, "t.end_us IS NULL OR t.backfilled = 0 AND t.end_us >= $1"
    ),
}

_SINCE_US = {
    **dict.fromkeys(("idempotency_keys", "heartbeats", "gaps"), KEYS_US),
    "service_levels": LEVELS_DAYS * DAY_US,
}
"""How far back to look, for each table with a bound."""
_BY_ID = frozenset({"dispatches", "dispatch_states"})

_REST = ", ".join(
    f"t.{name}" for name in row_types.TELEMETRY if name not in ("asset", "ts_us", "boot")
)
_SAMPLES = (
    f"SELECT a.asset_id, b.agent_id, b.boot_id, t.ts_us, {_REST} FROM assets a"
    " CROSS JOIN LATERAL (SELECT * FROM telemetry WHERE asset = a.id AND ts_us >= $1 AND"
    " ts_us < $2 ORDER BY ts_us DESC, seq DESC LIMIT 1) t JOIN boots b ON b.id = t.boot"
)


async def fetch_last_state(
    connection: PostgresConnection, prepared: Prepared, now_us: int, known: Sequence[str]
) -> LastState:
    """Reads everything in one transaction; nothing if no journal was ever fed to the database.

    ``known``: ids of dispatches to read in any state, because the journal has them as open.
    """
    tables: dict[str, list[Row]] = {name: [] for name in _TABLES}
    if not prepared.fed:
        return LastState(prepared, tables, [])
    async with transaction(connection):
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        for name, query in _TABLES.items():
            since_us = _SINCE_US.get(name)
            args: tuple[object, ...] = () if since_us is None else (now_us - since_us,)
            if name in _BY_ID:
                args = (list(known),)
            tables[name] = list(map(tuple, await connection.fetch(query, *args)))
        around = (now_us - SAMPLES_DAYS * DAY_US, now_us + AHEAD_DAYS * DAY_US)
        samples = list(map(tuple, await connection.fetch(_SAMPLES, *around)))
    return LastState(prepared, tables, samples)

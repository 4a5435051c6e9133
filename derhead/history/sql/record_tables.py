"""The tables of records: their keys, and what happens to a row that exists. Pure.

Both stores have these tables, and both treat a row that arrives twice in the same way.
"""

from dataclasses import dataclass

from derhead.history.sql import row_types


@dataclass(frozen=True, slots=True)
class RecordTable:
    """One table."""

    columns: tuple[str, ...]
    key: tuple[str, ...]
    changes: str | None = None
    """SQL that changes a stored row of the same key; None = that row stays unchanged."""

    @property
    def on_conflict(self) -> str:
        """The end of an INSERT, as SQLite spells it."""
        done = "NOTHING" if self.changes is None else f"UPDATE SET {self.changes}"
        return f"({', '.join(self.key)}) DO {done}"


def _replaced(columns: tuple[str, ...], *key: str) -> RecordTable:
    changes = (f"{name} = excluded.{name}" for name in columns if name not in key)
    return RecordTable(columns, key, ", ".join(changes))


_DISPATCHES = _replaced(tuple(name for name in row_types.DISPATCHES if name != "verdict"), "id")
_GROUPS = _replaced(row_types.GROUPS, "id")
_GAPS = _replaced(row_types.GAPS[:-1], "id")
_LEVELS = _replaced(row_types.LEVELS, "hour_us", "asset_id")

_NOT_WITHDRAWN = """LIKE '%"cancelling": null}'"""
"""How the data of a group ends that is not being withdrawn; see ``mapping.group_row``."""

RECORD_TABLES = {
    # A group that is being withdrawn stays so.
    "dispatch_groups": RecordTable(
        row_types.GROUPS,
        _GROUPS.key,
        f"{_GROUPS.changes} WHERE dispatch_groups.data {_NOT_WITHDRAWN}"
        f" OR NOT excluded.data {_NOT_WITHDRAWN}",
    ),
    # A verdict is stored after the end, so an earlier version does not know it. PostgreSQL also
    # compares versions; see ``progress``.
    "dispatches": RecordTable(
        row_types.DISPATCHES,
        _DISPATCHES.key,
        f"{_DISPATCHES.changes}, verdict = coalesce(excluded.verdict, dispatches.verdict)",
    ),
    "dispatch_states": _replaced(row_types.DISPATCH_STATES, "dispatch_id", "n"),
    "idempotency_keys": _replaced(row_types.USED_KEYS, "key"),
    # A note may be stored after a later write, so a stored end stays.
    "sessions": RecordTable(
        row_types.SESSIONS,
        ("session_id",),
        "ended_us = coalesce(excluded.ended_us, sessions.ended_us),"
        " end_reason = coalesce(excluded.end_reason, sessions.end_reason),"
        " messages = max(excluded.messages, sessions.messages),"
        " samples = max(excluded.samples, sessions.samples)",
    ),
    # The newer record of a gap stays, whatever the order of arrival; of two ends in one revision
    # the earlier one. It may not know when the gap was first noticed, and then says 0.
    "gaps": RecordTable(
        row_types.GAPS,
        _GAPS.key,
        f"{_GAPS.changes},"
        " noticed_us = coalesce(nullif(gaps.noticed_us, 0), excluded.noticed_us)"
        " WHERE excluded.revision > gaps.revision OR (excluded.revision = gaps.revision"
        " AND (gaps.end_us IS NULL OR excluded.end_us <= gaps.end_us))",
    ),
    "heartbeats": RecordTable(row_types.HEARTBEATS, ("agent_id", "received_us", "ts_us")),
    "telemetry": RecordTable(row_types.TELEMETRY, ("asset", "ts_us", "boot", "seq")),
    # Nothing changes an entry of the audit trail.
    "audit": RecordTable(row_types.AUDIT, ("id",)),
    # The record of an hour that counts more time is the newer one, whatever the order of arrival.
    "service_levels": RecordTable(
        row_types.LEVELS,
        _LEVELS.key,
        f"{_LEVELS.changes} WHERE excluded.seen_us + excluded.down_us"
        " >= service_levels.seen_us + service_levels.down_us",
    ),
}
"""By name: open records first. The feed's position names a table by its place here, so a new one
comes last."""

"""PostgreSQL's INSERT statements, one for each table. Pure.

They have the same effect as the journal's (``derhead/history/file/inserts.py``), and may be
repeated.
"""

import math
from collections.abc import Iterable
from typing import Any

from derhead.history.spool.payload import FORGOTTEN_KEYS, VERDICTS
from derhead.history.sql import row_types
from derhead.history.sql.row_types import Row

FLOATS = (
    "p_mw",
    "q_mvar",
    "soc",
    "voltage_v",
    "frequency_hz",
    "setpoint_mw",
)


def _insert(table: str, columns: tuple[str, ...], on_conflict: str) -> str:
    marks = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT {on_conflict}"


def _replacing(columns: tuple[str, ...], *key: str) -> str:
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in key)
    return f"({', '.join(key)}) DO UPDATE SET {changes}"


STATEMENTS = {
    "dispatches": _insert(
        "dispatches", row_types.DISPATCHES, _replacing(row_types.DISPATCHES, "id")
    ),
    "dispatch_states": _insert(
        "dispatch_states",
        row_types.DISPATCH_STATES,
        _replacing(row_types.DISPATCH_STATES, "dispatch_id", "n"),
    ),
    "dispatch_groups": _insert(
        "dispatch_groups", row_types.GROUPS, _replacing(row_types.GROUPS, "id")
    ),
    "idempotency_keys": _insert(
        "idempotency_keys", row_types.USED_KEYS, _replacing(row_types.USED_KEYS, "key")
    ),
    "sessions": _insert(
        "sessions",
        row_types.SESSIONS,
        "(session_id) DO UPDATE SET"
        " ended_us = coalesce(excluded.ended_us, sessions.ended_us),"
        " end_reason = coalesce(excluded.end_reason, sessions.end_reason),"
        " messages = greatest(excluded.messages, sessions.messages),"
        " samples = greatest(excluded.samples, sessions.samples)",
    ),
    "heartbeats": _insert(
        "heartbeats", row_types.HEARTBEATS, "(agent_id, received_us, ts_us) DO NOTHING"
    ),
    "gaps": _insert(
        "gaps",
        row_types.GAPS,
        _replacing(row_types.GAPS[:-1], "id")
        # A later record of a gap may not know when the gap was first noticed, and then says 0.
        + ", noticed_us = coalesce(nullif(gaps.noticed_us, 0), excluded.noticed_us)"
        " WHERE excluded.revision >= gaps.revision",
    ),
    VERDICTS: "UPDATE dispatches SET verdict = $2 WHERE id = $1",
    FORGOTTEN_KEYS: "DELETE FROM idempotency_keys WHERE created_us < $1",
}
"""By table, or by kind of change."""

_INTEGERS = {"asset": "integer", "boot": "integer"}
_ARRAYS = ", ".join(
    f"${n}::{'double precision' if name in FLOATS else _INTEGERS.get(name, 'bigint')}[]"
    for n, name in enumerate(row_types.TELEMETRY, 1)
)
_VALUES = ", ".join(
    f"nullif({name}, 'NaN'::double precision)" if name in FLOATS else name
    for name in row_types.TELEMETRY
)
_COLUMNS = ", ".join(row_types.TELEMETRY)

INSERT_TELEMETRY = (
    f"INSERT INTO telemetry ({_COLUMNS}) SELECT {_VALUES} FROM unnest({_ARRAYS})"
    f" AS given ({_COLUMNS}) ON CONFLICT DO NOTHING"
)
"""Inserts a batch from one array for each column; NaN is unknown."""

COPIED = "copied"

MAKE_COPIED = (
    f"CREATE TEMPORARY TABLE IF NOT EXISTS {COPIED} (LIKE telemetry) ON COMMIT DELETE ROWS"
)

INSERT_COPIED = (
    f"INSERT INTO telemetry ({_COLUMNS}) SELECT {_VALUES} FROM {COPIED} ON CONFLICT DO NOTHING"
)
"""Inserts what was copied into the temporary table."""


def cleaned(lines: Iterable[Row]) -> list[Row]:
    """Rows as PostgreSQL accepts them. PostgreSQL refuses zero characters in text. It would keep
    NaN, which the journal stores as NULL."""
    return [tuple(map(_clean, line)) for line in lines]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value

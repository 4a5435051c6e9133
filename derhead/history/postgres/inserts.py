"""PostgreSQL's INSERT statements, one for each table. Pure.

They may be repeated.
"""

import math
from collections.abc import Iterable
from typing import Any

from derhead.history.spool.payload import FLOATS, FORGOTTEN_KEYS, VERDICTS
from derhead.history.sql import row_types
from derhead.history.sql.record_tables import RECORD_TABLES, RecordTable
from derhead.history.sql.row_types import Row


def _insert(name: str, table: RecordTable) -> str:
    marks = ", ".join(f"${n}" for n in range(1, len(table.columns) + 1))
    return (
        f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES ({marks})"
        f" ON CONFLICT {table.on_conflict.replace(' max(', ' greatest(')}"
    )


STATEMENTS = {
    **{name: _insert(name, table) for name, table in RECORD_TABLES.items()},
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
"""Inserts the rows of the temporary table."""


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

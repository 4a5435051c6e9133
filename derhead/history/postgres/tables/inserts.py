"""PostgreSQL's INSERT statements, one for each table. Pure.

They may be repeated, and may come late: a dispatch goes in together with its states, as one
version, and never replaces a version that is further.
"""

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from derhead.history.spool.payload import FLOATS, FORGOTTEN_KEYS, VERDICTS, Table
from derhead.history.sql import row_types
from derhead.history.sql.progress import NOT_BEHIND
from derhead.history.sql.record_tables import RECORD_TABLES, RecordTable
from derhead.history.sql.row_types import Row

_DISPATCHES, _STATES = "dispatches", "dispatch_states"


def _insert(name: str, table: RecordTable) -> str:
    marks = ", ".join(f"${n}" for n in range(1, len(table.columns) + 1))
    return (
        f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES ({marks})"
        f" ON CONFLICT {table.on_conflict.replace(' max(', ' greatest(')}"
    )


def _insert_version() -> str:
    """A dispatch and, as JSON in the last parameter, its states without their first column."""
    states = ", ".join(row_types.DISPATCH_STATES[1:])
    given = "n bigint, state text, at_us bigint, reason text, detail text"
    last = f"${len(row_types.DISPATCHES) + 1}::json"
    return (
        f"WITH taken AS ({_insert(_DISPATCHES, RECORD_TABLES[_DISPATCHES])}"
        f" WHERE {NOT_BEHIND} RETURNING id),"
        f" gone AS (DELETE FROM {_STATES} s USING taken"
        f" WHERE s.dispatch_id = taken.id AND s.n >= json_array_length({last}))"
        f" INSERT INTO {_STATES} (dispatch_id, {states})"
        f" SELECT taken.id, {states} FROM taken, json_to_recordset({last}) AS given ({given})"
        f" ON CONFLICT {RECORD_TABLES[_STATES].on_conflict}"
    )


STATEMENTS = {
    **{name: _insert(name, table) for name, table in RECORD_TABLES.items()},
    _DISPATCHES: _insert_version(),
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


_END: Table = ("", [])


def changes_of(tables: Sequence[Table]) -> Iterator[tuple[str, list[Row]]]:
    """Statements, each with the rows that it takes, for changes in the order of their commits.

    A commit's dispatches are followed by all of their states.
    """
    for (table, lines), (next_table, next_lines) in pairwise((*tables, _END)):
        match table:
            case "dispatches":
                states = next_lines if next_table == _STATES else []
                yield (
                    STATEMENTS[table],
                    _versions(_cleaned(table, lines), _cleaned(_STATES, states)),
                )
            case "dispatch_states":
                pass
            case _:
                yield STATEMENTS[table], _cleaned(table, lines)


def _versions(dispatches: Iterable[Row], states: Iterable[Row]) -> list[Row]:
    """The newest version of each dispatch, with its states as JSON."""
    newest = {row[0]: row for row in dispatches}
    newest_states = {row[:2]: row for row in states}
    states_of: dict[str, list[dict[str, Any]]] = {}
    for dispatch_id, *state in newest_states.values():
        named = dict(zip(row_types.DISPATCH_STATES[1:], state, strict=True))
        states_of.setdefault(dispatch_id, []).append(named)
    return [(*row, json.dumps(states_of.get(row[0], []))) for row in newest.values()]


def _cleaned(table: str, lines: Iterable[Row]) -> list[Row]:
    """Rows as PostgreSQL accepts them. PostgreSQL refuses zero characters in text. It would keep
    NaN, which the journal stores as NULL. A row that older software spooled lacks the newest
    columns, which come last."""
    known = RECORD_TABLES.get(table)
    width = 0 if known is None else len(known.columns)
    return [(*map(_clean, line), *[None] * (width - len(line))) for line in lines]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, float) and math.isnan(value):
        return None
    return value

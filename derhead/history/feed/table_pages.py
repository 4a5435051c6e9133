"""The journal's tables, page by page: rows from before PostgreSQL was configured.

Synchronous. Each page is one short read by key. Changes of rows that the walk has passed are in the
spool; the walk itself reads all others. A page must be fed before the spool is read again, so that
no older version of a row follows a newer one.
"""

import json
import sqlite3
from dataclasses import dataclass

from derhead.history.spool.payload import CommitChanges, Payload, pack, unpack
from derhead.history.sql import row_types
from derhead.history.sql.record_tables import RECORD_TABLES

_TABLES = list(RECORD_TABLES)
_WITH_STATES, _STATES = map(_TABLES.index, ("dispatches", "dispatch_states"))


@dataclass(frozen=True, slots=True)
class TablePage:
    """Some rows, and where the next ones are."""

    payload: Payload | None
    """None = there were no rows."""
    rows: int
    """Rows of the walk's table; the states of dispatches come on top."""
    next: str | None
    """None = the walk is over."""


def read_page(con: sqlite3.Connection, position: str | None, at_most: int) -> TablePage:
    """The rows of one table after that position; None = from the beginning.

    Dispatches come with all their states.
    """
    first, after = json.loads(position) if position else (0, [])
    if first == _STATES:
        # An earlier version walked through the states by themselves.
        first, after = _WITH_STATES, []
    for place, (name, table) in enumerate(RECORD_TABLES.items()):
        if place < first or place == _STATES:
            continue
        key = ", ".join(table.key)
        beyond = f" WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        found = con.execute(
            f"SELECT {', '.join(table.columns)} FROM {name}{beyond} ORDER BY {key} LIMIT ?",
            (*after, at_most),
        ).fetchall()
        if found:
            last = dict(zip(table.columns, found[-1], strict=True))
            going_on = json.dumps([place, [last[column] for column in table.key]])
            return TablePage(_payload(con, name, found), len(found), going_on)
        after = []
    return TablePage(None, 0, None)


def _payload(con: sqlite3.Connection, table: str, found: list[row_types.Row]) -> Payload:
    if table != "telemetry":
        records = [(table, found)]
        if table == "dispatches":
            records.append(("dispatch_states", _states(con, [row[0] for row in found])))
        return unpack(pack(CommitChanges(records=records)))
    assets = _names(con, "SELECT id, asset_id FROM assets", {row[0] for row in found})
    boots = _names(con, "SELECT id, agent_id, boot_id FROM boots", {row[2] for row in found})
    return unpack(
        pack(
            CommitChanges(
                telemetry=found,
                assets=dict(assets),
                boots={number: (agent_id, int(boot_id)) for number, agent_id, boot_id in boots},
            )
        )
    )


def _states(con: sqlite3.Connection, dispatch_ids: list[str]) -> list[row_types.Row]:
    return con.execute(
        f"SELECT {', '.join(row_types.DISPATCH_STATES)} FROM dispatch_states"
        " WHERE dispatch_id IN (SELECT value FROM json_each(?)) ORDER BY dispatch_id, n",
        (json.dumps(dispatch_ids),),
    ).fetchall()


def _names(con: sqlite3.Connection, query: str, numbers: set[int]) -> list[row_types.Row]:
    return con.execute(
        f"{query} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(numbers)),)
    ).fetchall()

"""The journal's tables, page by page: rows from before PostgreSQL was configured.

Synchronous. Each page is one short read by key. A change behind the walk is in the spool; a change
ahead of it is read when the walk gets there. A page must be fed before the spool is read again, so
that no older version of a row follows a newer one.
"""

import json
import sqlite3
from dataclasses import dataclass

from derhead.history.spool.payload import CommitChanges, Payload, pack, unpack
from derhead.history.sql import row_types


@dataclass(frozen=True, slots=True)
class _Stretch:
    table: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def page(
        self, con: sqlite3.Connection, after: list[object], at_most: int
    ) -> list[row_types.Row]:
        key = ", ".join(self.key)
        beyond = f" WHERE ({key}) > ({', '.join('?' * len(after))})" if after else ""
        return con.execute(
            f"SELECT {', '.join(self.columns)} FROM {self.table}{beyond} ORDER BY {key} LIMIT ?",
            (*after, at_most),
        ).fetchall()

    def key_of(self, row: row_types.Row) -> list[object]:
        return [row[self.columns.index(name)] for name in self.key]


_STRETCHES = (
    _Stretch("dispatch_groups", row_types.GROUPS, ("id",)),
    _Stretch("dispatches", row_types.DISPATCHES, ("id",)),
    _Stretch("dispatch_states", row_types.DISPATCH_STATES, ("dispatch_id", "n")),
    _Stretch("idempotency_keys", row_types.USED_KEYS, ("key",)),
    _Stretch("sessions", row_types.SESSIONS, ("session_id",)),
    _Stretch("gaps", row_types.GAPS, ("id",)),
    _Stretch("heartbeats", row_types.HEARTBEATS, ("agent_id", "received_us", "ts_us")),
    _Stretch("telemetry", row_types.TELEMETRY, ("asset", "ts_us", "boot", "seq")),
)
"""In the order of the walk: open records first, the most rows last."""


@dataclass(frozen=True, slots=True)
class TablePage:
    """Some rows, and where the next ones are."""

    payload: Payload | None
    """None = there were no rows."""
    rows: int
    next: str | None
    """None = the walk is over."""


def read_page(con: sqlite3.Connection, position: str | None, at_most: int) -> TablePage:
    """The rows of one table after that position; None = from the beginning."""
    place, after = json.loads(position) if position else (0, [])
    for number in range(place, len(_STRETCHES)):
        stretch = _STRETCHES[number]
        found = stretch.page(con, after, at_most)
        if found:
            going_on = json.dumps([number, stretch.key_of(found[-1])])
            return TablePage(_payload(con, stretch.table, found), len(found), going_on)
        after = []
    return TablePage(None, 0, None)


def _payload(con: sqlite3.Connection, table: str, found: list[row_types.Row]) -> Payload:
    if table != "telemetry":
        return unpack(pack(CommitChanges(records=[(table, found)])))
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


def _names(con: sqlite3.Connection, query: str, numbers: set[int]) -> list[row_types.Row]:
    return con.execute(
        f"{query} WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(sorted(numbers)),)
    ).fetchall()

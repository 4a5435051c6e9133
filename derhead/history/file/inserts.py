"""The journal's INSERT statements: many rows each, and what happens to a row that exists."""

import sqlite3
from collections.abc import Iterable
from itertools import chain, islice

from derhead.history.sql import row_types
from derhead.history.sql.record_tables import RECORD_TABLES

MAX_PARAMETERS = 32_766
"""SQLite's default limit on the parameters of one statement."""

ROWS_A_STATEMENT = (500, 100, 20, 4, 1)
"""Sizes of the statements that a batch is cut into. There are few sizes, so each statement is
compiled once and stays in the connection's cache, which saves a tenth of a row's cost. They are
large, because each statement hands over the interpreter."""


class Insert:
    """One table's multi-row INSERT."""

    def __init__(self, table: str, columns: tuple[str, ...], on_conflict: str) -> None:
        self.columns = columns
        row = f"({','.join('?' * len(columns))})"
        head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
        self._statements = [
            (size, f"{head}{','.join([row] * size)} ON CONFLICT {on_conflict}")
            for size in ROWS_A_STATEMENT
        ]

    def execute(self, con: sqlite3.Connection, values: Iterable[row_types.Row]) -> int:
        """Returns how many rows it inserted or changed."""
        changed = 0
        remaining = iter(values)
        while chunk := list(islice(remaining, ROWS_A_STATEMENT[0])):
            start = 0
            for size, statement in self._statements:
                while len(chunk) - start >= size:
                    piece = chunk[start : start + size]
                    changed += con.execute(statement, list(chain.from_iterable(piece))).rowcount
                    start += size
        return changed


INSERTS = {
    name: Insert(name, table.columns, table.on_conflict) for name, table in RECORD_TABLES.items()
}
"""By table."""

ASSETS = Insert("assets", ("asset_id",), "(asset_id) DO NOTHING")
BOOTS = Insert("boots", ("agent_id", "boot_id"), "(agent_id, boot_id) DO NOTHING")

"""Walks along the keys of a damaged journal's tables, up to the damage.

Synchronous; plain SQL on a read-only connection (``damage.connect_damaged``).
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import NoneType
from typing import Literal

from derhead.history.sql.row_types import Row

NAMES_FIRST = ("assets", "boots", "facts")
"""Tables copied first, in this order. Telemetry, the longest, comes last."""

NOT_COPIED = ("events",)
"""Tables that stay behind. A new event log begins with numbers of its own, so its readers notice
that events may be missing."""

MAX_STRAYS = 1_000
"""Consecutive rows out of order. When full, the walk gives up."""


@dataclass(slots=True)
class Copied:
    """What became of one table."""

    rows: int = 0
    junk: int = 0
    """Readable rows with invalid values."""
    nameless: int = 0
    """Samples whose asset or boot has lost its name."""
    whole: bool = True
    """Read from end to end; otherwise an unknown number of rows is missing."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that both files have."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[tuple[type, ...], ...]
    nullable: tuple[bool, ...]
    key: tuple[str, ...]
    _sound: set[tuple[type, ...]] = field(default_factory=set)
    """Combinations of column types that were found valid; there are few."""

    def is_sound(self, row: Row) -> bool:
        """Whether every value is valid for its column."""
        types = tuple(map(type, row))
        if types not in self._sound:
            if not all(
                (kind is NoneType and may_be_null) or kind in wanted
                for kind, wanted, may_be_null in zip(types, self.kinds, self.nullable, strict=True)
            ):
                return False
            self._sound.add(types)
        return True


_KINDS: dict[str, tuple[type, ...]] = {
    "INTEGER": (int,),
    "REAL": (int, float),
    "TEXT": (str,),
    "BLOB": (bytes,),
}


def table_names(target: sqlite3.Connection) -> list[str]:
    """The tables of a new journal, in the order of copying."""
    names = [
        name
        for (name,) in target.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    placed = (*NAMES_FIRST, *NOT_COPIED, "telemetry")
    return [*NAMES_FIRST, *(name for name in names if name not in placed), "telemetry"]


def find_table(source: sqlite3.Connection, target: sqlite3.Connection, name: str) -> Table:
    """A table of a new journal, with the columns that the damaged file has too."""
    there = {row[1] for row in source.execute(f"PRAGMA table_info({name})")}
    columns = [row for row in target.execute(f"PRAGMA table_info({name})") if row[1] in there]
    key = sorted((row[5], row[1]) for row in columns if row[5])
    return Table(
        name,
        tuple(row[1] for row in columns),
        tuple(_KINDS[row[2]] for row in columns),
        tuple(not row[3] and not row[5] for row in columns),
        tuple(column for _, column in key),
    )


def from_both_ends(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    """Every row that a walk reaches from either end, some of them twice."""
    up = TableWalk(source, table)
    yield from up.rows("ASC")
    copied.junk += up.junk
    copied.whole = not up.is_torn
    if up.is_torn or up.junk:
        yield from TableWalk(source, table).rows("DESC")


def telemetry(
    source: sqlite3.Connection, target: sqlite3.Connection, table: Table, copied: Copied
) -> Iterator[Row]:
    """Telemetry from both ends of the table; then each asset in between from both of its ends."""
    up, down = TableWalk(source, table), TableWalk(source, table)
    yield from up.rows("ASC")
    if not (up.is_torn or up.junk):
        return
    yield from down.rows("DESC")
    copied.junk = up.junk
    copied.whole = not up.is_torn
    for (asset,) in target.execute("SELECT id FROM assets ORDER BY id").fetchall():
        # A walk without junk can be trusted: it read everything up to its last key.
        is_read = (up.last is not None and asset < up.last[0] and not up.junk) or (
            down.last is not None and asset > down.last[0] and not down.junk
        )
        if not is_read:
            yield from TableWalk(source, table, of=asset).rows("ASC")
            yield from TableWalk(source, table, of=asset).rows("DESC")


Order = Literal["ASC", "DESC"]


class TableWalk:
    """One walk through a table along its key, up to damage.

    ``of``: only rows whose key begins with it.
    """

    def __init__(
        self,
        source: sqlite3.Connection,
        table: Table,
        *,
        of: int | None = None,
    ) -> None:
        self._source = source
        self._table = table
        self._statement = f"SELECT {', '.join(table.columns)} FROM {table.name} NOT INDEXED"
        self._values: list[object] = []
        if of is not None:
            self._statement += f" WHERE {table.key[0]} = ?"
            self._values = [of]
        self._places = [table.columns.index(name) for name in table.key]
        self.last: Row | None = None
        """The key of the last valid row."""
        self.is_torn = False
        """Damage ended the walk."""
        self.junk = 0
        """Rows met with invalid values, or out of order."""

    def rows(self, order: Order) -> Iterator[Row]:
        """The valid rows."""
        by = ", ".join(f"{name} {order}" for name in self._table.key)
        strays = 0
        try:
            for row in self._source.execute(f"{self._statement} ORDER BY {by}", self._values):
                if not self._table.is_sound(row):
                    self.junk += 1
                    continue
                key = tuple(row[place] for place in self._places)
                if self.last is not None and (
                    key <= self.last if order == "ASC" else key >= self.last
                ):
                    # One of two keys is junk, or pages form a circle.
                    self.junk += 1
                    strays += 1
                    if strays > MAX_STRAYS:
                        self.is_torn = True
                        return
                    continue
                self.last, strays = key, 0
                yield row
        except sqlite3.Error:
            self.is_torn = True


def named(target: sqlite3.Connection, rows: Iterator[Row], copied: Copied) -> Iterator[Row]:
    """Telemetry whose asset and boot still have names; its key is (asset, time, boot, …)."""
    assets, boots = (
        {number for (number,) in target.execute(f"SELECT id FROM {name}")}
        for name in ("assets", "boots")
    )
    for row in rows:
        if row[0] in assets and row[2] in boots:
            yield row
        else:
            copied.nameless += 1


def text_or_bytes(data: bytes) -> str | bytes:
    """Text that is not UTF-8 stays bytes, which no text column accepts."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data

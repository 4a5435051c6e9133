"""A damaged journal: what can be read of it is put into a new one, and the rest is counted.

Each table is read row by row along its key, forwards from its beginning and backwards from
its end, until damage stops either; telemetry is then read once more in the same way, asset by
asset. A row that holds what its columns cannot is junk, and left out, and so is telemetry of
an asset or boot whose name was lost.

The new journal is written beside the old one and takes its place once it is whole, so that a
crash in between loses nothing: the next start begins again, or ends what was begun
(``finish_salvage``). The damaged file stays, under another name, as it was found. Only where
its first page is torn, without which SQLite reads nothing at all, is that page made anew, and
the torn one kept beside the file.

Synchronous.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, count, islice
from pathlib import Path
from types import NoneType
from typing import Literal

from derhead.history import facts
from derhead.history.damage import read_only
from derhead.history.healing import heal, sync
from derhead.history.inserts import ROWS_A_STATEMENT
from derhead.history.progress import Progress
from derhead.history.rows import Row

log = logging.getLogger(__name__)

NAMES_FIRST = ("assets", "boots", "facts")
"""Read before all others, in this order; telemetry, the longest, comes last."""

NOT_COPIED = ("events",)
"""Whoever reads the log of events must not be misled over what it lost: by its numbers, which
begin anew, readers are told that they may have missed some."""

ROWS_A_TRANSACTION = 5_000

INDEXES = {
    "assets": ("sqlite_autoindex_assets_1", ("asset_id",)),
    "boots": ("sqlite_autoindex_boots_1", ("agent_id", "boot_id")),
}
"""Indexes that hold all of a table, and their keys."""

MAX_STRAYS = 1_000
"""Rows in a row that stand where they cannot; then a walk gives up."""


@dataclass(slots=True)
class Copied:
    """What became of one table."""

    rows: int = 0
    junk: int = 0
    """Rows that could be read and hold what they cannot."""
    nameless: int = 0
    """Samples whose asset or boot is not known any more."""
    whole: bool = True
    """Read from end to end; else rows are missing, nobody knows how many."""


@dataclass(slots=True)
class Salvaged:
    """What was salvaged of a damaged journal."""

    why: str
    at_us: int
    moved_to: str
    tables: dict[str, Copied] = field(default_factory=dict)
    stopped: str | None = None
    """Why copying ended before its time, such as a full disk."""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Salvaged":
        fields = json.loads(text)
        tables = {name: Copied(**copied) for name, copied in fields.pop("tables").items()}
        return cls(**fields, tables=tables)

    def summary(self) -> str:
        """For people: what was lost, and where the rest is."""
        torn = [name for name, copied in self.tables.items() if not copied.whole]
        rows = sum(copied.rows for copied in self.tables.values())
        lost = sum(copied.junk + copied.nameless for copied in self.tables.values())
        parts = [
            f"the journal was damaged ({self.why}) and is kept as {self.moved_to}",
            f"{rows} rows were salvaged",
        ]
        if torn:
            parts.append(f"an unknown number is lost of {', '.join(torn)}")
        if lost:
            parts.append(f"{lost} rows could be read and not be used")
        if self.stopped is not None:
            parts.append(f"copying ended early: {self.stopped}")
        return "; ".join(parts)


def salvage(
    path: Path,
    why: str,
    *,
    make: Callable[[Path], sqlite3.Connection],
    progress: Progress,
    now_us: int,
) -> Salvaged:
    """Puts a new journal in the place of a damaged one; the old one is moved aside.

    ``make`` makes a new journal in a file. Raises: sqlite3.Error, OSError; then the damaged
    file is where it was.
    """
    damaged = _free_name(path, now_us)
    log.error("%s is damaged: %s; salvaging what can be read of it", path, why)
    salvaged = Salvaged(why, now_us, damaged.name)
    new = _beside(path, "salvaging")
    _remove(new)
    with closing(make(new)) as target:
        heal(path, new, kept=_beside(path, "page1"))
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = MEMORY")
        with closing(read_only(path)) as source:
            source.text_factory = _text_or_bytes
            _copy_all(source, target, salvaged, progress)
        _note(target, salvaged)
    sync(new)
    os.rename(new, _beside(path, "salvaged"))
    _set_aside(path, damaged)
    finish_salvage(path)
    progress.doing = ""
    for table, copied in salvaged.tables.items():
        how = "whole" if copied.whole else "up to the damage, from both ends"
        log.warning(
            "%s: %d rows salvaged, %s; %d junk, %d without a name",
            *(table, copied.rows, how, copied.junk, copied.nameless),
        )
    log.error("%s", salvaged.summary())
    return salvaged


def finish_salvage(path: Path) -> None:
    """Ends a salvage that a crash cut short after the new journal was whole."""
    done = _beside(path, "salvaged")
    if not done.exists():
        return
    if path.exists():
        # The crash came before the damaged file was moved.
        _set_aside(path, _free_name(path, done.stat().st_mtime_ns // 1000))
    os.rename(done, path)
    sync(path.parent)


# --- tables -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Table:
    """A table as both files have it."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[tuple[type, ...], ...]
    nullable: tuple[bool, ...]
    key: tuple[str, ...]
    _sound: set[tuple[type, ...]] = field(default_factory=set)
    """The types of rows that were found to be sound: there are few."""

    def is_sound(self, row: Row) -> bool:
        """Whether every value is one that its column can hold."""
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


def _tables(source: sqlite3.Connection, target: sqlite3.Connection) -> Iterator[Table]:
    """All tables of a new journal, with the columns that the damaged one has too."""
    names = [
        name
        for (name,) in target.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        if name not in NOT_COPIED
    ]
    last = ["telemetry"]
    for name in [*NAMES_FIRST, *(n for n in names if n not in (*NAMES_FIRST, *last)), *last]:
        there = {row[1] for row in source.execute(f"PRAGMA table_info({name})")}
        columns = [row for row in target.execute(f"PRAGMA table_info({name})") if row[1] in there]
        key = sorted((row[5], row[1]) for row in columns if row[5])
        if key:
            yield Table(
                name,
                tuple(row[1] for row in columns),
                tuple(_KINDS[row[2]] for row in columns),
                tuple(not row[3] and not row[5] for row in columns),
                tuple(column for _, column in key),
            )


def _copy_all(
    source: sqlite3.Connection, target: sqlite3.Connection, salvaged: Salvaged, progress: Progress
) -> None:
    for table in _tables(source, target):
        copied = salvaged.tables[table.name] = Copied()
        rows: Iterator[Row]
        if table.name in INDEXES:
            rows = chain(_from_both_ends(source, table, copied), _indexed(source, table, copied))
        elif table.name == "telemetry":
            rows = _named(target, _telemetry(source, target, table, copied), copied)
        else:
            rows = _from_both_ends(source, table, copied)
        try:
            _insert(target, table, rows, copied, progress)
        except sqlite3.Error as error:
            # The new file's: those of the damaged one end where it is read. What is there stays.
            copied.whole = False
            salvaged.stopped = f"{table.name}: {error}"
            return


def _indexed(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    """What a table has lost and its index still holds: a page of names is all of telemetry."""
    if copied.whole and not copied.junk:
        return
    index = INDEXES[table.name]
    yield from Walk(source, table, index=index).rows("ASC")
    yield from Walk(source, table, index=index).rows("DESC")


def _from_both_ends(source: sqlite3.Connection, table: Table, copied: Copied) -> Iterator[Row]:
    """Every row that a walk meets from either end; some of them twice."""
    up = Walk(source, table)
    yield from up.rows("ASC")
    copied.junk += up.junk
    copied.whole = not up.is_torn
    if up.is_torn or up.junk:
        yield from Walk(source, table).rows("DESC")


def _telemetry(
    source: sqlite3.Connection, target: sqlite3.Connection, table: Table, copied: Copied
) -> Iterator[Row]:
    """Its rows from both ends, and from both ends of each asset in between."""
    up, down = Walk(source, table), Walk(source, table)
    yield from up.rows("ASC")
    if not (up.is_torn or up.junk):
        return
    yield from down.rows("DESC")
    copied.junk = up.junk
    copied.whole = not up.is_torn
    for (asset,) in target.execute("SELECT id FROM assets ORDER BY id").fetchall():
        # A key can be trusted where no junk was met: beyond it all has been read.
        is_read = (up.last is not None and asset < up.last[0] and not up.junk) or (
            down.last is not None and asset > down.last[0] and not down.junk
        )
        if not is_read:
            yield from Walk(source, table, of=asset).rows("ASC")
            yield from Walk(source, table, of=asset).rows("DESC")


Order = Literal["ASC", "DESC"]


class Walk:
    """One way through a table, along its key, up to damage.

    ``of``: only rows whose key begins with it. ``index``: the index to go along, and its key.
    """

    def __init__(
        self,
        source: sqlite3.Connection,
        table: Table,
        *,
        of: int | None = None,
        index: tuple[str, tuple[str, ...]] | None = None,
    ) -> None:
        by, key = (
            ("NOT INDEXED", table.key) if index is None else (f"INDEXED BY {index[0]}", index[1])
        )
        self._source = source
        self._table = table
        self._statement = f"SELECT {', '.join(table.columns)} FROM {table.name} {by}"
        self._values: list[object] = []
        if of is not None:
            self._statement += f" WHERE {key[0]} = ?"
            self._values = [of]
        self._key = key
        self._places = [table.columns.index(name) for name in key]
        self.last: Row | None = None
        """The key of the last sound row."""
        self.is_torn = False
        """It was ended by damage."""
        self.junk = 0
        """Rows met that hold what they cannot, or stand where they cannot."""

    def rows(self, order: Order) -> Iterator[Row]:
        """The sound rows."""
        by = ", ".join(f"{name} {order}" for name in self._key)
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
                    # This key or the one before it is junk, or pages lead in a circle.
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


def _named(target: sqlite3.Connection, rows: Iterator[Row], copied: Copied) -> Iterator[Row]:
    """Telemetry whose asset and boot still have their names; the key is (asset, time, boot, …)."""
    assets, boots = (
        {number for (number,) in target.execute(f"SELECT id FROM {name}")}
        for name in ("assets", "boots")
    )
    for row in rows:
        if row[0] in assets and row[2] in boots:
            yield row
        else:
            copied.nameless += 1


def _insert(
    target: sqlite3.Connection,
    table: Table,
    rows: Iterator[Row],
    copied: Copied,
    progress: Progress,
) -> None:
    row = f"({','.join('?' * len(table.columns))})"
    head = f"INSERT OR IGNORE INTO {table.name} ({', '.join(table.columns)}) VALUES "
    while batch := list(islice(rows, ROWS_A_TRANSACTION)):
        progress.doing = f"salvaging {table.name}: {copied.rows} rows so far"
        with target:
            target.execute("BEGIN")
            start = 0
            for size in ROWS_A_STATEMENT:
                while len(batch) - start >= size:
                    values = list(chain.from_iterable(batch[start : start + size]))
                    statement = head + ",".join([row] * size)
                    copied.rows += target.execute(statement, values).rowcount
                    start += size


def _mend_dispatches(target: sqlite3.Connection) -> None:
    """A dispatch has at least one state, and a state a dispatch."""
    target.execute(
        "DELETE FROM dispatch_states WHERE dispatch_id NOT IN (SELECT id FROM dispatches)"
    )
    target.execute(
        "INSERT INTO dispatch_states (dispatch_id, n, state, at_us, reason, detail)"
        " SELECT id, 0, state, created_us, reason, detail FROM dispatches"
        " WHERE id NOT IN (SELECT dispatch_id FROM dispatch_states)"
    )


def _note(target: sqlite3.Connection, salvaged: Salvaged) -> None:
    try:
        _mend_dispatches(target)
        # What was lost here PostgreSQL may have, and what it lacks may be salvaged here.
        facts.put(target, facts.TELEMETRY_WHOLE, 0)
        for key in facts.FEED:
            facts.put(target, key, None)
        facts.put(target, facts.DAMAGE, salvaged.text())
    except sqlite3.Error as error:
        salvaged.stopped = salvaged.stopped or f"facts: {error}"


# --- files ------------------------------------------------------------------------------


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{suffix}")


def _free_name(path: Path, now_us: int) -> Path:
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)
    stem = _beside(path, f"damaged-{when:%Y%m%dT%H%M%SZ}")
    names = chain([stem], (stem.with_name(f"{stem.name}-{n}") for n in count(2)))
    return next(name for name in names if not name.exists())


def _set_aside(path: Path, damaged: Path) -> None:
    # The WAL first: it must never lie beside the new journal.
    for suffix in ("-wal", "-shm", ".page1", ""):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{damaged}{suffix}")


def _remove(path: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def _text_or_bytes(data: bytes) -> str | bytes:
    """Junk stays bytes, which no column of text holds."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data

"""Salvage: copies what can be read of a damaged journal into a new one, and counts the rest.

Each table is read row by row along its key, from both ends, until damage stops the walk. Telemetry
is then read once more in the same way, asset by asset. Rows with invalid values are left out, and
so is telemetry of an asset or boot whose name was lost.

The new journal is written beside the old one and takes its place when it is complete. A crash in
between loses nothing: the next start begins again, or finishes (``replacing``). The damaged
file is kept as it was, under another name. If its first page is torn, or if the file is missing or
empty beside its WAL, nothing can be read.

Synchronous.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

from derhead.history.file import facts
from derhead.history.file.activity import Activity
from derhead.history.file.damage import UNREADABLE, connect_damaged
from derhead.history.file.inserts import Insert
from derhead.history.file.replacing import Successor, beside, kept_name, remove, replace
from derhead.history.file.table_walks import (
    Copied,
    Table,
    find_table,
    from_both_ends,
    named,
    table_names,
    telemetry,
    text_or_bytes,
)
from derhead.history.sql.row_types import Row
from derproto.stdio.log_events import event_log

log = event_log(__name__)

ROWS_A_TRANSACTION = 5_000


@dataclass(slots=True)
class Salvaged:
    """What was salvaged of a damaged journal."""

    why: str
    at_us: int
    moved_to: str
    tables: dict[str, Copied] = field(default_factory=dict)
    stopped: str | None = None
    """Why copying ended early, such as a full disk."""

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> "Salvaged":
        fields = json.loads(text)
        tables = {name: Copied(**copied) for name, copied in fields.pop("tables").items()}
        return cls(**fields, tables=tables)

    def summary(self) -> str:
        """For people: what was lost, and where the damaged file is."""
        torn = [name for name, copied in self.tables.items() if not copied.whole]
        rows = sum(copied.rows for copied in self.tables.values())
        lost = sum(copied.junk + copied.nameless for copied in self.tables.values())
        parts = [
            f"the journal was damaged ({self.why}) and is kept as {self.moved_to}",
            f"{rows} rows were salvaged",
        ]
        if torn:
            parts.append(f"an unknown number of rows is lost from {', '.join(torn)}")
        if lost:
            parts.append(f"{lost} readable rows were left out: their values are invalid")
        if self.stopped is not None:
            parts.append(f"copying ended early: {self.stopped}")
        return "; ".join(parts)


def salvage(
    path: Path,
    why: str,
    *,
    make: Callable[[Path], sqlite3.Connection],
    progress: Activity,
    now_us: int,
) -> Salvaged:
    """Replaces a damaged journal by a new one and moves the damaged file aside.

    ``make`` creates a new journal in a file. Raises: sqlite3.Error, OSError; then the damaged file
    is where it was.
    """
    damaged = kept_name(path, Successor.SALVAGED, now_us)
    log.error("the journal is damaged: salvaging what can be read of it", path=path, reason=why)
    salvaged = Salvaged(why, now_us, damaged.name)
    new = beside(path, "salvaging")
    remove(new)
    with closing(make(new)) as target:
        target.execute("PRAGMA synchronous = OFF")
        target.execute("PRAGMA journal_mode = MEMORY")
        _copy_all(path, target, salvaged, progress)
        _note(target, salvaged)
    replace(path, new, Successor.SALVAGED, now_us)
    progress.doing = ""
    for table, copied in salvaged.tables.items():
        how = "whole" if copied.whole else "up to the damage, from both ends"
        log.warning(
            "rows salvaged",
            table=table,
            rows=copied.rows,
            how=how,
            invalid=copied.junk,
            nameless=copied.nameless,
        )
    log.error("the journal is salvaged", path=path, detail=salvaged.summary())
    return salvaged


# --- tables -----------------------------------------------------------------------------


def _copy_all(
    path: Path, target: sqlite3.Connection, salvaged: Salvaged, progress: Activity
) -> None:
    names = table_names(target)
    # If the file cannot even be opened, no table is whole.
    salvaged.tables = {name: Copied(whole=False) for name in names}
    if not path.exists() or path.stat().st_size == 0:
        # Even a reader makes SQLite delete the WAL of an empty file.
        return
    try:
        with closing(connect_damaged(path)) as source:
            source.text_factory = text_or_bytes
            is_older = _version(source) < _version(target)
            for table in [find_table(source, target, name) for name in names]:
                if not table.key and is_older:
                    # The version that wrote the file had no such table.
                    del salvaged.tables[table.name]
                    continue
                _copy(source, target, table, salvaged, progress)
                if salvaged.stopped is not None:
                    return
    except UNREADABLE:
        log.warning("the journal cannot be read at all: its first page is damaged", path=path)


def _version(con: sqlite3.Connection) -> int:
    return int(con.execute("PRAGMA user_version").fetchone()[0])


def _copy(
    source: sqlite3.Connection,
    target: sqlite3.Connection,
    table: Table,
    salvaged: Salvaged,
    progress: Activity,
) -> None:
    copied = salvaged.tables[table.name] = Copied()
    rows = from_both_ends(source, table, copied)
    if table.name == "telemetry":
        rows = named(target, telemetry(source, target, table, copied), copied)
    try:
        _insert(target, table, rows, copied, progress)
    except sqlite3.Error as error:
        # This is an error of the new file: errors of the damaged file only end its walk. Rows
        # copied so far stay.
        copied.whole = False
        salvaged.stopped = f"{table.name}: {error}"


def _insert(
    target: sqlite3.Connection,
    table: Table,
    rows: Iterator[Row],
    copied: Copied,
    progress: Activity,
) -> None:
    insert = Insert(table.name, table.columns, "DO NOTHING")
    while batch := list(islice(rows, ROWS_A_TRANSACTION)):
        progress.doing = f"salvaging {table.name}: {copied.rows} rows so far"
        with target:
            target.execute("BEGIN")
            copied.rows += insert.execute(target, batch)


def _mend_dispatches(target: sqlite3.Connection) -> None:
    """Gives every dispatch a state, and drops states without a dispatch."""
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
        # PostgreSQL may have what was lost here, and may lack what was salvaged.
        facts.put(target, facts.TELEMETRY_WHOLE, 0)
        for key in facts.FEED:
            facts.put(target, key, None)
        facts.put(target, facts.DAMAGE, salvaged.text())
    except sqlite3.Error as error:
        salvaged.stopped = salvaged.stopped or f"facts: {error}"

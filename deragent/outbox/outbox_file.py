"""The outbox's file: rows and gaps in SQLite, each ``FileWork`` in one transaction.

Synchronous: call it through ``Runtime.run_blocking``, from one thread at a time. A finished
transaction is on disk (``synchronous=FULL``). It survives a kill and, on a disk that does not lie
about ``fsync``, a power cut.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deragent.outbox.file_rows import UnsoundRow, read_boot, read_gap, read_missing, read_row
from deragent.outbox.file_work import FileLookup, FileState, FileWork, FileWorkDone, OutboxLimits
from deragent.outbox.gap_book import DeliveredRows, Gap, MissingRows
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.seq_spans import SeqSpan
from derproto.der.v1 import GapCause

FILE = "outbox.db"
SET_ASIDE = "outbox.unreadable"
"""Name of a file that could not be used. A newer one replaces it."""
APPLICATION_ID = 0x64657261
VERSION = 1
BESIDE = ("", "-wal", "-shm")
PARAMETERS = 32_766
"""Greatest number of parameters of one statement."""
DAMAGE = (
    *(sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB),
    *(sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH),
)
"""Errors that would recur. The last three come of a damaged schema or key: the statements fit
every sound file."""
VACUUM_PAGES = 256
"""Free pages of 4 KiB given back to the disk at once, if the file has more."""

SCHEMA = """
CREATE TABLE boots (n INTEGER PRIMARY KEY AUTOINCREMENT, boot_id TEXT NOT NULL UNIQUE);
CREATE TABLE assets (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);
CREATE TABLE rows (
    boot INTEGER NOT NULL, seq INTEGER NOT NULL, asset INTEGER NOT NULL, ts_us INTEGER NOT NULL,
    p_mw REAL, q_mvar REAL, soc REAL, voltage_v REAL, frequency_hz REAL,
    status INTEGER NOT NULL, quality INTEGER NOT NULL,
    PRIMARY KEY (boot, seq)
) WITHOUT ROWID;
CREATE TABLE gaps (
    boot_id TEXT NOT NULL, number INTEGER NOT NULL, revision INTEGER NOT NULL,
    asset INTEGER NOT NULL, cause INTEGER NOT NULL, start_us INTEGER NOT NULL,
    end_us INTEGER NOT NULL, rows INTEGER NOT NULL,
    PRIMARY KEY (boot_id, number)
) WITHOUT ROWID;
-- Rows that the last work found missing; the next work brings the gaps that they led to.
CREATE TABLE missing (
    asset INTEGER NOT NULL, cause INTEGER NOT NULL, boot_id TEXT NOT NULL,
    first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL,
    start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, rows INTEGER NOT NULL
);
"""
COLUMNS = 11


class OutboxFileError(Exception):
    """The file cannot be read or written now. The next attempt may succeed."""


class OutboxFileDamagedError(Exception):
    """The file is damaged, of another program, or of a newer agent."""


@dataclass(frozen=True, slots=True)
class FileContents:
    """What an earlier process of the agent left in the file."""

    state: FileState
    earlier: tuple[int, ...]
    """Boots with rows, oldest first."""
    gaps: tuple[Gap, ...]
    missing: tuple[MissingRows, ...]
    """Missing rows that no gap covers yet."""
    unserved: dict[str, int]
    """Counts of removed rows, by asset id: the agent no longer serves these assets."""


class OutboxFile:
    """One agent's file, in a folder that only this agent uses. ``found`` is what was in it.

    Raises: OutboxFileError, OutboxFileDamagedError, as do all methods.
    """

    def __init__(self, folder: Path, boot_id: int, asset_ids: Sequence[str]) -> None:
        path = folder / FILE
        unclean = _size_of(path.with_name(f"{FILE}-wal")) > 0
        with _translated():
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with _translated():
                self._prepare(unclean)
                with self._db:
                    self._db.execute("BEGIN IMMEDIATE")
                    self.found = self._take_over(boot_id, asset_ids)
        except BaseException:
            self._db.close()
            raise
        self._boot_id = boot_id
        self._rows = self.found.state.rows

    def close(self) -> None:
        """Closes the file, which empties its WAL."""
        with _translated():
            self._db.close()

    # --- at start -----------------------------------------------------------------------

    def _prepare(self, unclean: bool) -> None:
        run = self._db.execute
        run("PRAGMA auto_vacuum = INCREMENTAL")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("PRAGMA journal_size_limit = 4194304")
        application_id = self._one("PRAGMA application_id")
        version = self._one("PRAGMA user_version")
        if not version and not self._one("SELECT count(*) FROM sqlite_schema"):
            # One statement at a time: executescript would end the transaction.
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                for statement in SCHEMA.split(";\n"):
                    run(statement)
                run(f"PRAGMA application_id = {APPLICATION_ID}")
                run(f"PRAGMA user_version = {VERSION}")
        elif application_id != APPLICATION_ID:
            raise OutboxFileDamagedError("it is not an outbox")
        elif version != VERSION:
            raise OutboxFileDamagedError(f"its version is {version}, and not {VERSION}")
        elif unclean and (wrong := self._one("PRAGMA quick_check(1)")) != "ok":
            raise OutboxFileDamagedError(wrong)

    def _take_over(self, boot_id: int, asset_ids: Sequence[str]) -> FileContents:
        run = self._db.execute
        places = _places(len(asset_ids), 1)
        run(f"INSERT INTO assets (id) VALUES {places} ON CONFLICT DO NOTHING", asset_ids)
        numbers = dict(run("SELECT id, n FROM assets"))
        self._asset_numbers = [numbers[asset_id] for asset_id in asset_ids]
        self._indices = {number: index for index, number in enumerate(self._asset_numbers)}
        rows = dict(run("SELECT asset, count(*) FROM rows GROUP BY asset"))
        if not rows.keys() <= set(numbers.values()):
            raise OutboxFileDamagedError("it has rows of unknown assets")
        unserved = {
            asset_id: rows.pop(number, 0)
            for asset_id, number in numbers.items()
            if number not in self._indices
        }
        for asset_id in unserved:
            for table in ("rows", "gaps", "missing"):
                run(f"DELETE FROM {table} WHERE asset = ?", (numbers[asset_id],))
            run("DELETE FROM assets WHERE id = ?", (asset_id,))
        run("DELETE FROM boots WHERE NOT EXISTS (SELECT 1 FROM rows WHERE boot = n)")
        run("INSERT INTO boots (boot_id) VALUES (?) ON CONFLICT DO NOTHING", (str(boot_id),))
        self._boots = {
            read_boot(text): n for n, text in run("SELECT n, boot_id FROM boots ORDER BY n")
        }
        return FileContents(
            self._state(sum(rows.values())),
            tuple(boot for boot in self._boots if boot != boot_id),
            tuple(
                read_gap(values, self._indices)
                for values in run("SELECT * FROM gaps ORDER BY start_us")
            ),
            tuple(read_missing(values, self._indices) for values in run("SELECT * FROM missing")),
            {asset_id: count for asset_id, count in unserved.items() if count},
        )

    # --- afterwards ---------------------------------------------------------------------

    def read(self, what: FileLookup) -> list[OutboxRow]:
        """The rows of a query, in order."""
        with _translated():
            found = self._db.execute(
                "SELECT seq, asset, ts_us, quality,"
                " p_mw, q_mvar, soc, voltage_v, frequency_hz, status"
                " FROM rows WHERE boot = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?",
                (self._boots.get(what.boot_id), what.first, what.last, what.most),
            ).fetchall()
            return [read_row(values, self._indices) for values in found]

    def apply(self, work: FileWork, limits: OutboxLimits) -> FileWorkDone:
        """Makes all changes in one transaction, which is on disk when this returns."""
        with _translated():
            # Outside the transaction, since failed work must have no effect. The pragma frees a
            # page for each step, and ``execute`` would take only one step.
            if self._one("PRAGMA freelist_count") > VACUUM_PAGES:
                self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                done = self._apply(work, limits)
        self._rows = done.state.rows
        return done

    def _apply(self, work: FileWork, limits: OutboxLimits) -> FileWorkDone:
        self._db.execute("DELETE FROM missing")
        delivered: list[DeliveredRows] = []
        missing: list[MissingRows] = []
        acked = refused = 0
        for span in work.acked:
            if work.list_acked:
                delivered += self._delivered(span)
            acked += self._delete("boot = ? AND seq BETWEEN ? AND ?", self._values(span))
        for span in work.refused:
            where, values = "boot = ? AND seq BETWEEN ? AND ?", self._values(span)
            missing += self._missing(GapCause.REFUSED, where, values)
            refused += self._delete(where, values)
        rows, size = self._rows - acked - refused, self._size()
        added = self._insert(work.rows)
        excess = min(limits.excess(rows, size, added), rows + added)
        if excess:
            oldest = self._db.execute(
                "SELECT boot, seq FROM rows ORDER BY boot, seq LIMIT 1 OFFSET ?", (excess - 1,)
            ).fetchone()
            where = "(boot, seq) <= (?, ?)"
            missing += self._missing(GapCause.OVERFLOW, where, oldest)
            self._delete(where, oldest)
        self._keep_gaps(work, missing)
        return FileWorkDone(
            self._state(rows + added - excess),
            acked,
            excess,
            refused,
            tuple(missing),
            tuple(delivered),
        )

    def _values(self, span: SeqSpan) -> tuple[int | None, int, int]:
        return self._boots.get(span.boot_id), span.first, span.last

    def _delivered(self, span: SeqSpan) -> Iterator[DeliveredRows]:
        for asset, first, last in self._db.execute(
            "SELECT asset, min(seq), max(seq) FROM rows"
            " WHERE boot = ? AND seq BETWEEN ? AND ? GROUP BY asset",
            self._values(span),
        ):
            yield DeliveredRows(self._indices[asset], span.boot_id, first, last)

    def _missing(self, cause: GapCause, where: str, values: Sequence[Any]) -> Iterator[MissingRows]:
        for boot_id, asset, *rest in self._db.execute(
            "SELECT (SELECT boot_id FROM boots WHERE n = boot), asset,"
            " min(seq), max(seq), min(ts_us), max(ts_us), count(*)"
            f" FROM rows WHERE {where} GROUP BY boot, asset ORDER BY boot, asset",
            values,
        ):
            yield read_missing((asset, int(cause), boot_id, *rest), self._indices)

    def _delete(self, where: str, values: Sequence[Any]) -> int:
        return self._db.execute(f"DELETE FROM rows WHERE {where}", values).rowcount

    def _insert(self, rows: Sequence[OutboxRow]) -> int:
        """Adds many rows a statement: the thread gives up the interpreter's lock at each one."""
        added, most = 0, PARAMETERS // COLUMNS
        boot = self._boots[self._boot_id]
        for start in range(0, len(rows), most):
            some = rows[start : start + most]
            values: list[float | int | None] = []
            for row in some:
                m = row.measurement
                values += (boot, row.seq, self._asset_numbers[row.asset_index], row.ts_us)
                values += (m.p_mw, m.q_mvar, m.soc, m.voltage_v, m.frequency_hz)
                values += (int(m.status), row.quality)
            places = _places(len(some), COLUMNS)
            # SQLite may report a commit as failed although its rows are in the file.
            added += self._db.execute(
                f"INSERT INTO rows VALUES {places} ON CONFLICT DO NOTHING", values
            ).rowcount
        return added

    def _keep_gaps(self, work: FileWork, missing: Sequence[MissingRows]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO gaps VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(str(gap.boot_id), gap.number, gap.revision),
                    *(self._asset_numbers[gap.asset_index], int(gap.cause)),
                    *(gap.start_us, gap.end_us, gap.rows),
                )
                for gap in work.gaps.gaps
            ],
        )
        self._db.executemany(
            "DELETE FROM gaps WHERE boot_id = ? AND number = ?",
            [(str(boot_id), number) for boot_id, number in work.gaps.gone],
        )
        self._db.executemany(
            "INSERT INTO missing VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    *(self._asset_numbers[m.asset_index], int(m.cause), str(m.boot_id)),
                    *(m.first_seq, m.last_seq, m.start_us, m.end_us, m.rows),
                )
                for m in missing
            ],
        )

    def _state(self, rows: int) -> FileState:
        ends = [
            self._one(f"SELECT ts_us FROM rows ORDER BY boot {way}, seq {way} LIMIT 1")
            for way in ("ASC", "DESC")
        ]
        return FileState(rows, ends[0] or 0, ends[1] or 0)

    def _size(self) -> int:
        used = self._one("PRAGMA page_count") - self._one("PRAGMA freelist_count")
        return int(used) * int(self._one("PRAGMA page_size"))

    def _one(self, query: str) -> Any:
        row = self._db.execute(query).fetchone()
        return None if row is None else row[0]


def set_aside(folder: Path) -> Path:
    """Renames the file, so that someone can examine it; returns its new path.

    Raises: OSError.
    """
    for suffix in BESIDE:
        there = folder / f"{SET_ASIDE}{suffix}"
        there.unlink(missing_ok=True)
        if (folder / f"{FILE}{suffix}").exists():
            (folder / f"{FILE}{suffix}").replace(there)
    return folder / SET_ASIDE


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _places(rows: int, columns: int) -> str:
    return ",".join([f"({','.join('?' * columns)})"] * rows)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (UnsoundRow, UnicodeDecodeError) as error:
        # Python cannot decode a message of SQLite that quotes junk.
        raise OutboxFileDamagedError(str(error)) from error
    except sqlite3.DatabaseError as error:
        # Python's own errors about a value have no code.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in DAMAGE:
            raise OutboxFileDamagedError(str(error)) from error
        raise OutboxFileError(str(error)) from error

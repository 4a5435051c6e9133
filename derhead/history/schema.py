"""The journal's file: its lock, its pragmas and its migrations.

Synchronous; called through ``Runtime.run_blocking``.
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing
from importlib import resources
from pathlib import Path
from typing import Literal

from derhead.errors import JournalError

Synchronous = Literal["FULL", "NORMAL", "OFF"]

APPLICATION_ID = 0x44455248
"""Marks the file as a journal of derhead (``DERH``)."""

BUSY_TIMEOUT_MS = 5_000
"""How long a statement waits for someone else's lock on the file, e.g. a backup's."""

WRITER_CACHE_KIB = 32 * 1024
"""Page cache of the writer: the last page of every asset is written every few seconds, and
4 KiB for each of several thousand assets should stay in memory."""

CHECKPOINT_PAGES = 4_000
"""WAL pages after which a commit also checkpoints: such a last page is then written back
once for many commits."""

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""To what the WAL is cut after it had to grow."""

CACHED_STATEMENTS = 48
"""Prepared statements kept, so that those of ``inserts`` are: one of 500 rows takes 0.2 MB."""


class JournalFiles:
    """The lock on the data folder and two connections: one that writes, one for queries.

    Queries never wait for the writer. Raises: JournalError, and then nothing stays open.
    """

    def __init__(self, path: Path, synchronous: Synchronous) -> None:
        with ExitStack() as opened:
            opened.callback(os.close, _lock(path))
            try:
                self.writer = opened.enter_context(closing(_connect(path)))
                # Before the first page is written; later it changes nothing.
                self.writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
                self.writer.execute("PRAGMA journal_mode = WAL")
                # Overwriting what retention deletes would double what it writes.
                self.writer.execute("PRAGMA secure_delete = OFF")
                self.writer.execute(f"PRAGMA synchronous = {synchronous}")
                self.writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
                self.writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
                self.writer.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
                _migrate(self.writer, path)
                self.reader = opened.enter_context(closing(_connect(path)))
                self.reader.execute("PRAGMA query_only = ON")
            except sqlite3.Error as error:
                raise JournalError(f"{path}: cannot open the journal: {error}") from error
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Closes both, which empties the WAL, and gives the folder free."""
        self._opened.close()


def migrations() -> dict[int, str]:
    """The numbered files, by number: SQL that leads from one version to the next."""
    folder = resources.files("derhead.history") / "migrations"
    scripts = {
        int(file.name.split("_", 1)[0]): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }
    return dict(sorted(scripts.items()))


def _lock(path: Path) -> int:
    """A locked file beside the journal; the kernel unlocks it however the process ends."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise JournalError(
            f"{path.parent}: cannot keep a journal here ({error.strerror}); "
            "name a data folder that this user may write"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise JournalError(
            f"{path.parent}: another headend keeps its journal in this folder; "
            "stop it, or name another data folder"
        ) from error
    return fd


def _connect(path: Path) -> sqlite3.Connection:
    # Used by whichever worker thread is free, but by one at a time: see the limiters.
    con = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=CACHED_STATEMENTS
    )
    con.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    return con


def _migrate(con: sqlite3.Connection, path: Path) -> None:
    scripts = migrations()
    newest = max(scripts)
    version = _pragma(con, "user_version")
    owner = _pragma(con, "application_id")
    holds_tables = con.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0
    if holds_tables and owner != APPLICATION_ID:
        raise JournalError(f"{path}: this is some other program's database, not a journal")
    if version > newest:
        raise JournalError(
            f"{path}: the journal has version {version}, this software knows up to {newest}; "
            "run the software that wrote it, or newer"
        )
    for number, script in scripts.items():
        if number > version:
            _apply(con, number, script)


def _apply(con: sqlite3.Connection, number: int, script: str) -> None:
    try:
        con.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};\n"
            "COMMIT;"
        )
    except sqlite3.Error:
        if con.in_transaction:
            con.rollback()
        raise


def _pragma(con: sqlite3.Connection, name: str) -> int:
    return int(con.execute(f"PRAGMA {name}").fetchone()[0])

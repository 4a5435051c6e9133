"""The journal's file: its pragmas, its migrations, its connections.

Synchronous; called through ``Runtime.run_blocking``.
"""

import os
import sqlite3
import stat
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Literal

from derhead.errors import JournalError
from derhead.history.file import facts
from derhead.history.file.activity import Activity
from derhead.history.file.damage import UNREADABLE, find_damage, is_damage, is_foul_text
from derhead.history.file.lock import FILE_MODE, FolderLock, Left
from derhead.history.file.replacing import finish_replacing
from derhead.history.file.room import Room
from derhead.history.file.salvage import Salvaged, salvage
from derhead.history.sql.migrations import read_migrations

Synchronous = Literal["FULL", "NORMAL", "OFF"]

APPLICATION_ID = 0x44455248
"""Marks the file as a journal of derhead (``DERH``)."""

BUSY_TIMEOUT_S = 5.0
"""How long a statement waits for another program's lock on the file, such as a backup's."""

WRITER_CACHE_KIB = 32 * 1024
"""Page cache of the writer. The last page of every asset is written every few seconds: 4 KiB for
each of several thousand assets should stay in memory."""

CHECKPOINT_PAGES = 4_000
"""WAL pages after which a commit also checkpoints. An asset's last page is then written back once
for many commits."""

WAL_KEPT_BYTES = 64 * 1024 * 1024
"""Length to which SQLite truncates a WAL that had to grow."""

CACHED_STATEMENTS = 48
"""Prepared statements in the cache, enough for those of ``inserts``; one of 500 rows takes 0.2
MB."""


class JournalFiles:
    """The lock on the data folder and three connections: one writes, one answers queries, one
    answers the queries that orders need.

    Queries never wait for the writer. After an unclean stop the file is checked first. A damaged
    file is moved aside, and what can be read of it goes into a new one (``salvage``). ``progress``
    shows what takes long; ``opened_us`` names a file that is moved aside.

    Raises: JournalError, and then nothing stays open.
    """

    def __init__(
        self,
        path: Path,
        synchronous: Synchronous,
        *,
        progress: Activity | None = None,
        opened_us: int = 0,
    ) -> None:
        progress = progress or Activity()
        self.salvaged: Salvaged | None = None
        """What was lost and kept when the file was found damaged, until a later headend is closed
        in order."""
        self.room = Room(path)
        self._opened = ExitStack()
        self._lock = FolderLock(path)
        with ExitStack() as undo:
            undo.callback(self._lock.release)
            undo.callback(self.room.close)
            undo.callback(self._opened.close)
            try:
                finish_replacing(path)
                why = self._open(path, synchronous, progress)
                if why is not None:
                    salvage(path, why, make=_make, progress=progress, now_us=opened_us)
                    self._connect(path, synchronous)
                self.room.secure()
                self._keep_in_mind(acknowledged=why is None and self._lock.left is Left.CLEAN)
            except (*UNREADABLE, OSError) as error:
                if is_foul_text(error):
                    self.mark_damaged()
                raise JournalError(f"{path}: cannot open the journal: {error}") from error
            undo.pop_all()

    def _open(self, path: Path, synchronous: Synchronous, progress: Activity) -> str | None:
        """Opens the file, or says what is wrong with it."""
        why = find_damage(path, self._lock.left, progress)
        if why is not None:
            return why
        try:
            self._connect(path, synchronous)
        except UNREADABLE as error:
            if not is_damage(error):
                raise
            return str(error)
        return None

    def _connect(self, path: Path, synchronous: Synchronous) -> None:
        with ExitStack() as opened:
            _keep_private(path)
            self.writer = opened.enter_context(closing(_connect(path)))
            # These take effect only before the first page is written.
            self.writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            self.writer.execute("PRAGMA journal_mode = WAL")
            # Overwriting what retention deletes would double its writes.
            self.writer.execute("PRAGMA secure_delete = OFF")
            self.writer.execute(f"PRAGMA synchronous = {synchronous}")
            self.writer.execute(f"PRAGMA cache_size = -{WRITER_CACHE_KIB}")
            self.writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
            self.writer.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            migrate(self.writer, path)
            self.reader, self.order_reader = (
                opened.enter_context(closing(_connect(path))) for _ in range(2)
            )
            for reader in (self.reader, self.order_reader):
                reader.execute("PRAGMA query_only = ON")
            self._opened.push(opened.pop_all())

    def _keep_in_mind(self, *, acknowledged: bool) -> None:
        """Remembers damage until a headend that reported it was closed in order."""
        text = facts.get(self.reader, facts.DAMAGE)
        if text is None:
            return
        if not acknowledged:
            self.salvaged = Salvaged.parse(text)
            return
        with self.writer:
            self.writer.execute("BEGIN IMMEDIATE")
            facts.put(self.writer, facts.PAST_DAMAGE, text)
            facts.put(self.writer, facts.DAMAGE, None)

    def mark_damaged(self) -> None:
        """Notes that damage was met, so that the next start checks the whole file."""
        self._lock.mark(Left.DAMAGED)

    def close(self) -> None:
        """Closes the connections, which empties the WAL, and releases the folder."""
        try:
            self._opened.close()
            self._lock.mark_clean()
        finally:
            self.room.close()
            self._lock.release()


def migrations() -> dict[int, str]:
    """The journal's SQL files, by number; each leads from one version to the next."""
    return read_migrations("derhead.history.file")


def _make(path: Path) -> sqlite3.Connection:
    """A new journal in a file, on a single connection."""
    _keep_private(path)
    with ExitStack() as opened:
        con = opened.enter_context(closing(_connect(path)))
        con.execute("PRAGMA auto_vacuum = INCREMENTAL")
        migrate(con, path)
        opened.pop_all()
        return con


def _keep_private(path: Path) -> None:
    """Creates the journal's file if need be, and takes all rights from other users.

    SQLite gives the WAL and its index the same mode.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    for suffix in ("", "-wal", "-shm"):
        # The file is gone, or belongs to another user: leave its mode.
        with suppress(OSError):
            file = Path(f"{path}{suffix}")
            file.chmod(stat.S_IMODE(file.stat().st_mode) & FILE_MODE)


def _connect(path: Path) -> sqlite3.Connection:
    # Any worker thread may use the connection, but only one at a time: see the limiters.
    return sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=CACHED_STATEMENTS,
    )


def migrate(con: sqlite3.Connection, path: Path) -> None:
    """Brings the file to the version of this software. Raises: sqlite3.Error, JournalError."""
    version = check_owner(con, path, may_be_new=True)
    for number, script in migrations().items():
        if number > version:
            _apply(con, number, script)


def check_owner(con: sqlite3.Connection, path: Path, *, may_be_new: bool = False) -> int:
    """The version of the file, which must be a journal; a new file holds no tables.

    Raises: JournalError if another program or newer software made it.
    """
    holds_tables = con.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] > 0
    version, newest = _pragma(con, "user_version"), max(migrations())
    if _pragma(con, "application_id") != APPLICATION_ID and (holds_tables or not may_be_new):
        raise JournalError(f"{path}: this is some other program's database, not a journal")
    if version > newest:
        raise JournalError(
            f"{path}: the journal has version {version}, this software knows up to {newest}; "
            "run the software that wrote it, or newer"
        )
    return version


def _apply(con: sqlite3.Connection, number: int, script: str) -> None:
    with con:
        con.executescript(
            f"BEGIN IMMEDIATE;\n{script}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};\n"
            "COMMIT;"
        )


def _pragma(con: sqlite3.Connection, name: str) -> int:
    return int(con.execute(f"PRAGMA {name}").fetchone()[0])

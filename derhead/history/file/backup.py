"""Backups of the journal: a copy of one moment, and its way back into the journal's place.

A backup is taken while the headend runs: it is one read transaction, beside which commits go on. A
restored journal says that events and rows of PostgreSQL may tell of times that it does not know.

Synchronous.
"""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from derhead.errors import JournalError
from derhead.history.file import facts
from derhead.history.file.damage import UNREADABLE, connect_read_only
from derhead.history.file.lock import FILE_MODE, FolderLock, Left
from derhead.history.file.replacing import (
    Successor,
    beside,
    finish_replacing,
    remove,
    replace,
    sync,
)
from derhead.history.file.schema import check_owner, migrate

STEPS_BETWEEN_SIGNALS = 100_000
"""Steps of SQLite's machine between two looks at signals, so that Ctrl-C ends a long copy."""


def back_up(path: Path, to: Path) -> None:
    """Copies the journal, as it is at one moment, into the new file ``to``, and checks the copy.

    The file appears when it is complete and on the disk. Raises: JournalError, OSError; then no
    file has that name.
    """
    if not path.exists():
        raise JournalError(f"{path}: there is no journal; name the headend's data folder")
    if to.exists():
        raise JournalError(f"{to}: this file exists already; name another")
    # It has no rights for others from its first byte on.
    fd, name = tempfile.mkstemp(dir=to.parent, prefix=f".{to.name}.", suffix=".part")
    os.close(fd)
    part = Path(name)
    try:
        with _explained(f"{path}: cannot be copied to {to}"):
            _copy(path, part)
        _make_ready(part)
        os.rename(part, to)
        sync(to.parent)
    finally:
        part.unlink(missing_ok=True)


def put_back(path: Path, backup: Path, now_us: int) -> Path | None:
    """Puts a backup in the place of the journal at ``path``, brought to this software's version.

    Returns what the journal before it is kept as; None if there was none. Raises: JournalError if
    a headend runs on the folder or the backup is not a whole journal, OSError; then the journal is
    as it was.
    """
    if not backup.exists():
        raise JournalError(f"{backup}: there is no such file; name a backup")
    new = beside(path, "restoring")
    lock = FolderLock(path)
    try:
        _give_to_the_owner_of_the_folder(path.with_suffix(".lock"))
        # If this is interrupted, the journal is still what the last headend left.
        lock.mark(lock.left)
        finish_replacing(path)
        remove(new)
        with _explained(f"{backup}: cannot be restored"):
            _copy(backup, new)
            with closing(sqlite3.connect(new, isolation_level=None)) as con:
                migrate(con, new)
                _forget_what_came_after(con, now_us)
        _make_ready(new)
        _give_to_the_owner_of_the_folder(new)
        had_one = path.exists()
        kept = replace(path, new, Successor.RESTORED, now_us)
        lock.mark(Left.CLEAN)
        return kept if had_one else None
    finally:
        remove(new)
        lock.release()


def _copy(source: Path, target: Path) -> None:
    with closing(connect_read_only(source)) as con:
        con.set_progress_handler(lambda: 0, STEPS_BETWEEN_SIGNALS)
        check_owner(con, source)
        con.execute("VACUUM INTO ?", (str(target),))
    with closing(connect_read_only(target)) as con:
        con.set_progress_handler(lambda: 0, STEPS_BETWEEN_SIGNALS)
        (found,) = con.execute("PRAGMA integrity_check(1)").fetchone()
    if found != "ok":
        raise JournalError(f"{source}: its copy is damaged: {found.splitlines()[-1]}")


def _forget_what_came_after(con: sqlite3.Connection, now_us: int) -> None:
    """Makes readers and the feed notice that this journal lacks what was stored after it."""
    with con:
        con.execute("BEGIN IMMEDIATE")
        # Whoever follows /events is told to begin anew, and no number is given out twice.
        con.execute("DELETE FROM events")
        con.execute(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'events'", (now_us // 1000,)
        )
        # PostgreSQL may have more, and the feed compares the two from their beginning.
        facts.put(con, facts.TELEMETRY_WHOLE, 0)
        for key in facts.FEED:
            facts.put(con, key, None)


def _make_ready(file: Path) -> None:
    file.chmod(FILE_MODE)
    sync(file)


def _give_to_the_owner_of_the_folder(file: Path) -> None:
    """What root restores must be the headend's own."""
    if os.geteuid() == 0:
        owner = file.parent.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise JournalError(f"{what}: {error}") from error

"""Checks whether a journal's file is damaged.

Synchronous. The file is opened read-only: a check must not change it, nor checkpoint its WAL.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from derhead.history.file.activity import Activity
from derhead.history.file.lock import Left

DAMAGE = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_READ,
    sqlite3.SQLITE_IOERR_SHORT_READ,
)
"""Errors of the file or the disk under it, which would recur."""

UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file raises: Python cannot decode a message of SQLite that quotes junk."""

PAGE_BYTES = 4096
"""SQLite's default, which no journal changes."""

_FOUL = "Could not decode to UTF-8"
"""How Python's message about such a text begins; the error has no code."""

_FAILURE = 0xFF
"""The part of an extended error code that names its kind."""


def is_damage(error: Exception) -> bool:
    """Whether the error says that the file is damaged."""
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", 0)
    return code in DAMAGE or code & _FAILURE in DAMAGE[:2]


def is_foul_text(error: Exception) -> bool:
    """Whether the error says that a text is not UTF-8, which SQLite itself does not check."""
    return isinstance(error, sqlite3.OperationalError) and str(error).startswith(_FOUL)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing. A busy file makes it wait for five seconds."""
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode=ro",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )


def connect_damaged(path: Path) -> sqlite3.Connection:
    """A connection to a file that may be damaged: it reads what it can and changes nothing."""
    con = connect_read_only(path)
    # Report junk in a page when the page is read, and accept a file that is too short.
    con.execute("PRAGMA cell_size_check = ON")
    con.execute("PRAGMA writable_schema = ON")
    return con


def find_damage(path: Path, left: Left, progress: Activity) -> str | None:
    """What is wrong with the file, for people; None if nothing was found.

    After an unclean stop every page is checked, which takes a second or more for each gigabyte. If
    damage was met before, all indexes and texts are checked too. Otherwise the file is only opened.
    """
    if not path.exists():
        # A file that was closed in order leaves no WAL behind.
        return "the file is gone, and its WAL is not" if has_wal(path) else None
    if path.stat().st_size == 0:
        return "the file is empty"
    try:
        with closing(connect_read_only(path)) as con:
            con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            if left is Left.CLEAN and path.stat().st_size % PAGE_BYTES == 0:
                return None
            megabytes = path.stat().st_size // 1_000_000
            progress.doing = f"checking the journal, {megabytes} MB, after an unclean stop"
            pragma = "integrity_check" if left is Left.DAMAGED else "quick_check"
            (found,) = con.execute(f"PRAGMA {pragma}(1)").fetchone()
            if left is Left.DAMAGED:
                _read_texts(con)
    except UNREADABLE as error:
        if not (is_damage(error) or is_foul_text(error)):
            raise
        return str(error)
    finally:
        progress.doing = ""
    # The lines name pages and cells: one is enough.
    return None if found == "ok" else str(found).splitlines()[-1]


def _read_texts(con: sqlite3.Connection) -> None:
    """Reads every text of every table. Raises: sqlite3.Error."""
    names = con.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    for (table,) in names:
        columns = [name for _, name, *_ in con.execute(f"PRAGMA table_info({table})")]
        # A damaged row may hold a text in the place of a number.
        types = ", ".join(f"typeof({name})" for name in columns)
        for _ in con.execute(f"SELECT * FROM {table} NOT INDEXED WHERE 'text' IN ({types})"):
            pass


def has_wal(path: Path) -> bool:
    """Whether a WAL lies beside the file; it may hold commits that the file lacks."""
    wal = path.with_name(f"{path.name}-wal")
    return wal.exists() and wal.stat().st_size > 0

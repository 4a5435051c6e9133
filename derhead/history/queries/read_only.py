"""The journal's file, read by a process that does not write it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import trio

from derhead.errors import JournalError
from derhead.history.file.schema import APPLICATION_ID, BUSY_TIMEOUT_MS, migrations
from derhead.history.queries.query_connection import QueryConnection
from derhead.history.queries.reader import Reader
from derproto.base.runtime import Runtime

LOOK_S = 0.2
"""Pause between two looks at the spool."""


@contextmanager
def open_for_reading(path: Path, runtime: Runtime) -> Iterator[Reader]:
    """Opens the journal for reading, whether its headend runs or not; changes nothing.

    Raises: JournalError if there is no journal, or if this software does not know its version.
    """
    if not path.exists():
        raise JournalError(f"{path}: there is no journal; name the headend's data folder")
    try:
        con = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )
        with closing(con):
            con.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            _check(con, path)
            connection = QueryConnection(con, runtime)
            yield Reader(connection, connection)
    except sqlite3.Error as error:
        raise JournalError(f"{path}: cannot be read: {error}") from error


def _check(con: sqlite3.Connection, path: Path) -> None:
    owner, version = (
        int(con.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("application_id", "user_version")
    )
    if owner != APPLICATION_ID:
        raise JournalError(f"{path}: this is some other program's database, not a journal")
    newest = max(migrations())
    if version > newest:
        raise JournalError(
            f"{path}: the journal has version {version}, this software knows up to {newest}; "
            "run the software that wrote it, or newer"
        )
    if version < newest:
        raise JournalError(
            f"{path}: the journal has version {version}, this software reads {newest}; start the "
            "headend once, which brings it up to date, or run the software that wrote it"
        )


class SpoolWatch:
    """Tells from the journal whether PostgreSQL has been fed."""

    def __init__(self, journal: Reader) -> None:
        self._journal = journal

    async def wait_passed(self, before_us: int, within_s: float) -> bool:
        """Whether PostgreSQL has every sample from before ``before_us`` that the journal ever had.

        Waits for it at most ``within_s``. Raises: JournalError.
        """
        with trio.move_on_after(within_s):
            newest: int | None = None
            while True:
                fed, newest = await self._journal.is_fed(before_us, newest)
                if fed:
                    return True
                await trio.sleep(LOOK_S)
        return False

"""The journal's file, read by a process that does not write it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import trio

from derhead.errors import JournalError
from derhead.history.file.damage import UNREADABLE, connect_read_only
from derhead.history.file.schema import check_owner, migrations
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
        with closing(connect_read_only(path)) as con:
            _check(con, path)
            connection = QueryConnection(con, runtime)
            yield Reader(connection, connection)
    except UNREADABLE as error:
        raise JournalError(f"{path}: cannot be read: {error}") from error


def _check(con: sqlite3.Connection, path: Path) -> None:
    version, newest = check_owner(con, path), max(migrations())
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

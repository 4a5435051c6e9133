"""The lock on the data folder, and the mark in it that tells how the last headend ended.

Synchronous. The mark is of one length and written in place, so that it needs no room on a
disk that is full.
"""

import fcntl
import logging
import os
import re
from enum import StrEnum
from pathlib import Path

from derhead.errors import JournalError

log = logging.getLogger(__name__)

MARK_BYTES = 64

FOLDER_MODE = 0o750
"""Of a data folder made here; one that is there already keeps its own."""

FILE_MODE = 0o640
"""Of the journal's files: the headend's user writes, its group may read, nobody else does."""


class Left(StrEnum):
    """How the journal was left."""

    CLEAN = "closed"
    UNCLEAN = "running"
    """Its process ended in the middle: killed, crashed, or the power was cut."""
    DAMAGED = "damaged"
    """SQLite found the file damaged while it was in use."""


class FolderLock:
    """Holds the folder of a journal for as long as this object is not released.

    ``left`` is how the journal was left before. From here on the mark says that it is
    running, with this process's id, until ``release``. The kernel unlocks the file however
    the process ends.

    Raises: JournalError if the folder cannot be written, or another process holds it.
    """

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._fd = os.open(path.with_suffix(".lock"), flags, FILE_MODE)
        except OSError as error:
            raise JournalError(
                f"{path.parent}: cannot keep a journal here ({error.strerror}); "
                "name a data folder that this user may write"
            ) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            left, pid = _parse(os.pread(self._fd, MARK_BYTES, 0))
            os.close(self._fd)
            who = f" (pid {pid})" if left is not Left.CLEAN and pid else ""
            raise JournalError(
                f"{path.parent}: another headend{who} keeps its journal in this folder; "
                "stop it, or name another data folder"
            ) from error
        self.left, _ = _parse(os.pread(self._fd, MARK_BYTES, 0))
        self._marked = self.left
        self.mark(Left.UNCLEAN)

    def mark(self, left: Left) -> None:
        """What the next headend should know if this one said nothing more."""
        text = f"{left.value} pid {os.getpid()}".ljust(MARK_BYTES - 1) + "\n"
        try:
            os.pwrite(self._fd, text.encode("ascii"), 0)
            os.fsync(self._fd)
        except OSError as error:
            log.warning("the journal's lock cannot be marked: %s", error.strerror)
        self._marked = left

    def mark_clean(self) -> None:
        """The journal was closed in order; one that was found damaged stays so."""
        if self._marked is not Left.DAMAGED:
            self.mark(Left.CLEAN)

    def release(self) -> None:
        """Gives the folder free."""
        os.close(self._fd)


def _parse(mark: bytes) -> tuple[Left, str]:
    """An empty mark is that of a folder just made, or of a version that left none."""
    match = re.match(rb"(closed|running|damaged) pid (\d+)", mark)
    if match is None:
        return Left.CLEAN, ""
    return Left(match[1].decode("ascii")), match[2].decode("ascii")

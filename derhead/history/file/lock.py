"""The lock on the data folder, and the mark in it that says how the last headend ended.

Synchronous. The mark has a fixed length and is written in place, so it needs no room on a full
disk.
"""

import fcntl
import os
import re
from enum import StrEnum
from pathlib import Path

from derhead.errors import JournalError
from derproto.stdio.log_events import event_log

log = event_log(__name__)

MARK_BYTES = 64

FOLDER_MODE = 0o750
"""Mode of a data folder that is made here; an existing folder keeps its own."""

FILE_MODE = 0o640
"""Mode of the journal's files: the headend's user writes, its group reads, nobody else does
either."""


class Left(StrEnum):
    """How the journal was left."""

    CLEAN = "closed"
    UNCLEAN = "running"
    """The process ended in the middle: it was killed, it crashed, or the power failed."""
    DAMAGED = "damaged"
    """The file was found damaged while it was in use."""


class FolderLock:
    """Holds the data folder until it is released.

    ``left`` is how the journal was left before. From now on the mark says "running" with this
    process's id, until ``release``. The kernel releases the lock however the process ends.

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
        """Writes how the journal was left, for the next headend to read."""
        text = f"{left.value} pid {os.getpid()}".ljust(MARK_BYTES - 1) + "\n"
        try:
            os.pwrite(self._fd, text.encode("ascii"), 0)
            os.fsync(self._fd)
        except OSError as error:
            log.warning(
                "the journal's lock file cannot be written: the next start checks the journal",
                reason=error.strerror,
            )
        self._marked = left

    def mark_clean(self) -> None:
        """Marks the journal as closed in order, unless it was found damaged."""
        if self._marked is not Left.DAMAGED:
            self.mark(Left.CLEAN)

    def release(self) -> None:
        """Releases the folder."""
        os.close(self._fd)


def _parse(mark: bytes) -> tuple[Left, str]:
    """A mark is empty in a new folder, and in one that an older version left."""
    match = re.match(rb"(closed|running|damaged) pid (\d+)", mark)
    if match is None:
        return Left.CLEAN, ""
    return Left(match[1].decode("ascii")), match[2].decode("ascii")

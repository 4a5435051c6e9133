"""The file that keeps an agent's timelines over its restart, and the lock on its folder.

Synchronous; called through ``Runtime.run_blocking``.
"""

import fcntl
import os
from pathlib import Path

FILE = "timelines"
LOCK = "deragent.lock"
SET_ASIDE = "timelines.unreadable"
"""Where a file goes that cannot be read. There is one: a newer one takes its place."""


class DataFolderError(Exception):
    """The data folder cannot be used by this agent."""


class TimelineFile:
    """One agent's folder, locked until ``close``.

    Raises: DataFolderError if it cannot be made, or another agent has it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._folder = folder
        self._lock = _lock(folder)

    def load(self) -> bytes | None:
        """What was saved last; None if nothing ever was.

        Raises: OSError.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        """Replaces what was saved, whole; on disk when it returns.

        A power cut in between leaves the old or the new. Raises: OSError, and then the old
        one is still there.
        """
        being_written = self.path.with_suffix(".new")
        fd = os.open(being_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
        with open(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(fd)
        being_written.replace(self.path)
        self._sync_folder()

    def set_aside(self) -> Path:
        """Moves the file out of the way, for someone to look at; returns where it is.

        Raises: OSError.
        """
        aside = self._folder / SET_ASIDE
        self.path.replace(aside)
        self._sync_folder()
        return aside

    def close(self) -> None:
        """Gives the folder free."""
        os.close(self._lock)

    def _sync_folder(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _lock(folder: Path) -> int:
    """A locked file in the folder; the kernel unlocks it however the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise DataFolderError(
            f"{folder}: cannot keep timelines here ({error.strerror}); "
            "name a data folder that this user may write"
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise DataFolderError(
            f"{folder}: another agent keeps its timelines in this folder; "
            "stop it, or name another data folder"
        ) from error
    return fd

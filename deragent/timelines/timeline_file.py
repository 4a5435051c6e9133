"""The file of an agent's timelines, and the lock on its data folder.

Synchronous: call it through ``Runtime.run_blocking``.
"""

import fcntl
import os
from pathlib import Path

FILE = "timelines"
LOCK = "deragent.lock"
SET_ASIDE = "timelines.unreadable"
"""Name of a file that could not be read. A newer one replaces it."""


class DataFolderError(Exception):
    """This agent cannot use the data folder."""


class TimelineFile:
    """The timelines in one agent's data folder, which is locked until ``close``.

    Raises: DataFolderError if the folder cannot be made, or another agent uses it.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._folder = folder
        self._lock = _lock(folder)

    def load(self) -> bytes | None:
        """The bytes saved last; None if nothing was ever saved.

        Raises: OSError.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, data: bytes) -> None:
        """Replaces the file atomically; the new one is on disk when this returns.

        A power cut leaves the old file or the new one. Raises: OSError, and keeps the old
        file.
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
        """Renames the file, so that someone can examine it; returns its new path.

        Raises: OSError.
        """
        aside = self._folder / SET_ASIDE
        self.path.replace(aside)
        self._sync_folder()
        return aside

    def close(self) -> None:
        """Unlocks the folder."""
        os.close(self._lock)

    def _sync_folder(self) -> None:
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _lock(folder: Path) -> int:
    """Locks a file in the folder. The kernel unlocks it however the process ends."""
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

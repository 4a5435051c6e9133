"""Notices when a few files change: ``ChangeFinder`` decides and is pure, ``watch_files`` acts.

The task looks at the files once a second. inotify would be faster, but it does not see network file
systems, and its events about links and renamed folders take more code than a look.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import trio

from derproto.base.runtime import Runtime

LOOK_S = 1.0
"""Seconds from one look at the files to the next."""

MOST_UNREST = 10
"""Looks for which a change waits until the files rest. When full, the change counts at once."""


class FileStamp(NamedTuple):
    """Distinguishes one state of a file from another. Links are followed."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


FileStamps = tuple[FileStamp | None, ...]
"""One stamp for each file, in order; None for a file that cannot be read."""


def read_stamps(paths: Sequence[Path]) -> FileStamps:
    """The present state of each file. May block."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> FileStamp | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return FileStamp(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


class ChangeFinder:
    """Finds changes in a series of looks at the same files.

    Several files are seldom replaced at the same moment: a certificate comes before its key. So a
    change counts once two looks in a row find the same stamps.
    """

    def __init__(self, known: FileStamps) -> None:
        self._known = known
        self._last = known
        self._unrest = 0

    def look(self, stamps: FileStamps) -> bool:
        """Takes what a look found; True if a change counts now."""
        rests = stamps == self._last
        self._last = stamps
        if stamps == self._known:
            self._unrest = 0
            return False
        if not rests and self._unrest < MOST_UNREST:
            self._unrest += 1
            return False
        self._known = stamps
        self._unrest = 0
        return True


async def watch_files(
    paths: Sequence[Path],
    changed: Callable[[], Awaitable[object]],
    runtime: Runtime,
    *,
    known: FileStamps,
) -> None:
    """Awaits ``changed`` after each change of the files. Runs until cancelled.

    ``known`` is the state that the caller has read; take it before reading. An exception of
    ``changed`` ends the watch.
    """
    finder = ChangeFinder(known)
    while True:
        await trio.sleep(LOOK_S)
        if finder.look(await runtime.run_blocking(lambda: read_stamps(paths))):
            await changed()

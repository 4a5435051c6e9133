"""Room on the disk for what is running, when there is none for anything else.

Telemetry stops while the disk still has some megabytes. What other programs leave of those is
not ours to promise; so the WAL is made long ahead. Commits are written there, over blocks
that it has already: withdrawals, and what agents report, are stored on a disk without a free
block.

Synchronous.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path

from derhead.history.file.damage import PAGE_BYTES

FREE_BYTES = 16 * 1024 * 1024
"""Room that must be free on the disk. When full, with less than this free, telemetry waits as on
a full disk, and orders are refused."""

RESUME_BYTES = 20 * 1024 * 1024
"""Free on the disk, after it was full. With more, telemetry is stored again."""

WAL_PAGES = 12_000
"""Pages of WAL allocated at the start, 47 MiB, of which 4,000 are used before a checkpoint: 8,000
remain for a full disk, and a change of a dispatch takes about ten. When full, on a full disk, a
change of a dispatch is refused and has not happened."""

TRUNCATE_WAIT_MS = 50
"""How long cutting the WAL waits for whoever still reads it."""

_FRAME_BYTES = PAGE_BYTES + 24

_SHM_BYTES = 4 * 32 * 1024
"""Of the WAL's index, that many frames need."""


class Room:
    """What the journal at ``path`` has room for. Nothing here raises but for bugs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shm_fd: int | None = None
        self.is_secured = False
        """There was room when it was asked for last, and no commit has failed since."""

    def has_room(self) -> bool:
        """Whether telemetry may be stored; costs some microseconds."""
        return self._free_bytes() >= FREE_BYTES

    def secure(self) -> bool:
        """Makes the WAL long, once the journal is open; False if the disk has too little room."""
        self.is_secured = self._free_bytes() >= RESUME_BYTES
        if self.is_secured:
            # A file system that cannot do it, or a limit on files: commits have to find out.
            with suppress(OSError):
                self._lengthen()
        return self.is_secured

    def close(self) -> None:
        """Once the journal is closed, and not before."""
        if self._shm_fd is not None:
            os.close(self._shm_fd)
            self._shm_fd = None

    def _lengthen(self) -> None:
        # SQLite holds no locks on the WAL, but on its index: closing that here would drop them.
        if self._shm_fd is None:
            self._shm_fd = os.open(f"{self._path}-shm", os.O_RDWR | os.O_CLOEXEC)
        os.posix_fallocate(self._shm_fd, 0, _SHM_BYTES)
        wal_fd = os.open(f"{self._path}-wal", os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(wal_fd, 0, WAL_PAGES * _FRAME_BYTES)
        finally:
            os.close(wal_fd)

    def _free_bytes(self) -> int:
        try:
            disk = os.statvfs(self._path.parent)
        except OSError:
            return RESUME_BYTES
        return disk.f_bavail * disk.f_frsize


def truncate_wal(con: sqlite3.Connection) -> bool:
    """Writes all of the WAL back and cuts it to nothing; False if somebody reads it meanwhile."""
    (patience_ms,) = con.execute("PRAGMA busy_timeout").fetchone()
    con.execute(f"PRAGMA busy_timeout = {TRUNCATE_WAIT_MS}")
    try:
        (busy, _, _) = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        con.execute(f"PRAGMA busy_timeout = {patience_ms}")
    return not busy

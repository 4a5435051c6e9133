"""Room on the disk for running dispatches when the disk is full.

Telemetry stops while some megabytes are still free. Other programs may take that space, so the WAL
is allocated ahead. Commits overwrite the WAL's blocks. So withdrawals and the agents' reports are
stored even if no block is free.

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
"""Free bytes above which telemetry is stored again after the disk was full."""

WAL_PAGES = 12_000
"""Pages of WAL allocated at the start (47 MiB). A checkpoint comes after 4,000 pages, so 8,000
remain for a full disk; a change of a dispatch takes about ten. When full, on a full disk, a change
of a dispatch is refused and has not happened."""

TRUNCATE_WAIT_MS = 50
"""How long truncating the WAL waits for readers."""

_FRAME_BYTES = PAGE_BYTES + 24

_SHM_BYTES = 4 * 32 * 1024
"""Size of the WAL's index for that many frames."""


class Room:
    """What the journal at ``path`` has room for. Raises nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shm_fd: int | None = None
        self.is_secured = False
        """There was room at the last check, and no commit has failed since."""

    def has_room(self) -> bool:
        """Whether telemetry may be stored; takes microseconds."""
        return self._free_bytes() >= FREE_BYTES

    def secure(self) -> bool:
        """Allocates the WAL of an open journal; False if the disk has too little room."""
        self.is_secured = self._free_bytes() >= RESUME_BYTES
        if self.is_secured:
            # Some file systems cannot allocate ahead, or a limit forbids it. Then commits find out.
            with suppress(OSError):
                self._lengthen()
        return self.is_secured

    def close(self) -> None:
        """Call it after the journal is closed, never before."""
        if self._shm_fd is not None:
            os.close(self._shm_fd)
            self._shm_fd = None

    def _lengthen(self) -> None:
        # SQLite locks the WAL's index, not the WAL. Closing a descriptor of the index here would
        # drop those locks, so it stays open.
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
    """Checkpoints the whole WAL and truncates it; False if somebody reads it meanwhile."""
    (patience_ms,) = con.execute("PRAGMA busy_timeout").fetchone()
    con.execute(f"PRAGMA busy_timeout = {TRUNCATE_WAIT_MS}")
    try:
        (busy, _, _) = con.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        con.execute(f"PRAGMA busy_timeout = {patience_ms}")
    return not busy

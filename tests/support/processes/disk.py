"""A disk that a test can fill: a small file system, or a kernel limit on one process's files.

The limit serves where the test may not mount a file system. Neither way patches any code.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SIZE_MB = 96
CHUNK = 1 << 20


@dataclass(frozen=True)
class SmallDisk:
    """The disk below ``folder``."""

    folder: Path
    mounted: bool

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def fill(self, pid: int) -> None:
        """Fills the disk, at least for the process ``pid``."""
        if not self.mounted:
            _limit_files(pid, max(map(_size, self.folder.iterdir()), default=0))
            return
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (CHUNK, 4096, 1):
                with suppress(OSError):
                    while True:
                        ballast.write(bytes(size))

    def empty(self, pid: int) -> None:
        """Makes room again."""
        if self.mounted:
            self._ballast.unlink()
        else:
            _limit_files(pid, None)


def _size(path: Path) -> int:
    # The journal extends its WAL ahead of writing: the zeros at its end do not count.
    return len(path.read_bytes().rstrip(b"\0"))


def _limit_files(pid: int, most: int | None) -> None:
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if most is None else most, hard))


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """An empty folder on a disk of ``SIZE_MB`` for the block, where that may be mounted.

    The folder keeps its files afterwards, for inspection.
    """
    folder.mkdir()
    mounted = os.getuid() == 0 and _ran(
        "mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", folder
    )
    try:
        yield SmallDisk(folder, mounted)
    finally:
        if mounted:
            left = folder.with_name(f"{folder.name}-left")
            shutil.copytree(folder, left, ignore=shutil.ignore_patterns("ballast"))
            _ran("umount", "--lazy", folder)
            folder.rmdir()
            left.rename(folder)


def _ran(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0

"""Puts a new file in the journal's place, and keeps the old one under another name.

The new file first gets a name that says that it is complete. From then on the next start finishes
what a crash interrupts (``finish_replacing``). So neither file is lost, and the WAL of one never
lies beside the other.

Synchronous.
"""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain, count
from pathlib import Path


class Successor(StrEnum):
    """Why a file takes the journal's place: the end of its name until it does."""

    SALVAGED = "salvaged"
    RESTORED = "restored"


KEPT_AS = {Successor.SALVAGED: "damaged", Successor.RESTORED: "before-restore"}
"""What the old file is kept as; the time follows."""


def kept_name(path: Path, why: Successor, now_us: int) -> Path:
    """The name, free until now, under which the journal at ``path`` would be kept."""
    when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=now_us)
    stem = beside(path, f"{KEPT_AS[why]}-{when:%Y%m%dT%H%M%SZ}")
    names = chain([stem], (stem.with_name(f"{stem.name}-{n}") for n in count(2)))
    return next(name for name in names if not name.exists())


def replace(path: Path, new: Path, why: Successor, now_us: int) -> Path:
    """Puts the complete file ``new`` in the place of ``path``; returns what the old one is now.

    Both must be on one disk. Raises: OSError.
    """
    kept = kept_name(path, why, now_us)
    # After a crash the time of the file tells the name again.
    os.utime(new, ns=(now_us * 1000, now_us * 1000))
    sync(new)
    os.rename(new, beside(path, why.value))
    _set_aside(path, kept)
    finish_replacing(path)
    return kept


def finish_replacing(path: Path) -> None:
    """Finishes what a crash interrupted after the new file was complete."""
    for why in Successor:
        done = beside(path, why.value)
        if not done.exists():
            continue
        if path.exists():
            # The crash came before the old file was moved.
            _set_aside(path, kept_name(path, why, done.stat().st_mtime_ns // 1000))
        os.rename(done, path)
        sync(path.parent)


def beside(path: Path, suffix: str) -> Path:
    """The file of that suffix, in the same folder."""
    return path.with_name(f"{path.name}.{suffix}")


def remove(path: Path) -> None:
    """Removes a file of SQLite, and what belongs to it; nothing may be there."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flushes a file's bytes, or a folder's names, to the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _set_aside(path: Path, kept: Path) -> None:
    # Move the WAL first: it must never lie beside the new journal.
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.rename(f"{path}{suffix}", f"{kept}{suffix}")

"""Writes files that only their owner may read: keys, and what tells of tokens."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

FILE_MODE = 0o600


@contextmanager
def private_file(
    path: Path, publish: Callable[[Path, Path], None] = os.replace
) -> Iterator[BinaryIO]:
    """A new file that gets its name once it is whole and on disk. May block.

    ``publish`` gives it the name: ``os.replace``, or ``os.link``, which replaces nothing. Raises:
    OSError; then no file of that name has changed.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        publish(new, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(new)

"""The page's files, read once at start.

There is no build step: a browser gets the files of ``static`` as they are.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content types by suffix. Files with other suffixes are not served."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file: its bytes, its content type, and an ETag that changes with the bytes."""

    body: bytes
    content_type: str
    etag: str


def read_files() -> dict[str, PageFile]:
    """All files of the page, by path below ``static``, such as ``js/main.js``."""
    return dict(_read(resources.files("derhead.page") / "static", ""))


def _read(folder: Traversable, prefix: str) -> Iterator[tuple[str, PageFile]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _read(entry, f"{prefix}{entry.name}/")
            continue
        content_type = CONTENT_TYPES.get("." + entry.name.rpartition(".")[2])
        if content_type is not None:
            body = entry.read_bytes()
            yield (
                prefix + entry.name,
                PageFile(body, content_type, hashlib.sha256(body).hexdigest()[:16]),
            )

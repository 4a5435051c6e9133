"""``/`` and ``/page/…``: the control-room page and its files, read once at the start.

There is no build step: a browser gets the files of ``static`` as they are.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from quart import Blueprint, Response, abort, request

CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""Content types by suffix. Files with other suffixes are not served."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page may use its own files and its own headend, and nothing else."""

HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    # A browser asks again each time, so that after an update it never mixes old and new files.
    "Cache-Control": "no-cache",
}
"""Headers of every file."""


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file: its bytes, its content type, and an ETag that changes with the bytes."""

    body: bytes
    content_type: str
    etag: str


def page_routes() -> Blueprint:
    """Endpoints that serve the page. Its files are read now and kept in memory."""
    files = read_files()
    routes = Blueprint("page", __name__)

    @routes.get("/")
    async def show_page() -> Response:
        return _answer(files["index.html"])

    @routes.get("/page/<path:name>")
    async def show_file(name: str) -> Response:
        if name not in files:
            abort(404)
        return _answer(files[name])

    return routes


def _answer(file: PageFile) -> Response:
    response = Response(file.body, content_type=file.content_type)
    response.set_etag(file.etag)
    response.headers.update(HEADERS)
    if file.etag in request.if_none_match:
        response.status_code = 304
        response.set_data(b"")
    return response


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

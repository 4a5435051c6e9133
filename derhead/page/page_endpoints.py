"""``/`` and ``/page/…``: the page and its files."""

from quart import Blueprint, Response, abort, request

from derhead.page.page_files import PageFile, read_files

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

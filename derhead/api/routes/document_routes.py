"""``/openapi.json`` and ``/docs``: the API's description, for programs and for people."""

from quart import Blueprint, Response

from derhead.api.answering.lookups import read_query
from derhead.api.answering.replies import reply_page, reply_text
from derhead.api.openapi import STYLE, docs_page, document, problems_page
from derproto import __version__

HTML_TYPE = "text/html; charset=utf-8"
CSS_TYPE = "text/css; charset=utf-8"


def document_routes() -> Blueprint:
    """Endpoints that describe all endpoints."""
    routes = Blueprint("documents", __name__)

    @routes.get("/openapi.json")
    async def show_openapi() -> Response:
        read_query(())
        return reply_text(document(__version__))

    @routes.get("/docs")
    async def show_docs() -> Response:
        read_query(())
        return reply_page(docs_page(__version__), HTML_TYPE)

    @routes.get("/docs/problems")
    async def show_problems() -> Response:
        read_query(())
        return reply_page(problems_page(), HTML_TYPE)

    @routes.get("/docs/style.css")
    async def show_style() -> Response:
        read_query(())
        return reply_page(STYLE, CSS_TYPE)

    return routes

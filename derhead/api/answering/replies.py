"""Answers in one piece: JSON, lists, and problems (RFC 9457)."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from urllib.parse import quote

import trio
from quart import Response, has_websocket_context, request, websocket
from quart.wrappers.response import ResponseBody

from derhead.api.answering.problem_kinds import kind_of
from derhead.shapes import JSON_TYPE, Json, dump

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # A cache must ask again, with the ETag: old data must never look new.
    "Cache-Control": "no-cache",
}
"""Headers of every answer."""

PAGE_POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
"""The content security policy of a page without scripts: its own style sheet, nothing else."""

ITEMS_A_TURN = 200
"""Items of a list that are rendered before other tasks get their turn: about 2 ms."""

RETRY_AFTER_S = 5
"""``Retry-After`` of a 503, seconds."""

FieldErrors = Iterable[tuple[str, str]]
"""JSON pointers, each with a detail that says what is wrong and what to write instead."""


class HttpProblem(Exception):
    """Ends a request with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: FieldErrors = (),
        headers: Mapping[str, str] | None = None,
        *,
        more: int = 0,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = f"{detail}; {more} more errors are not listed" if more else detail
        self.errors = tuple(errors)
        self.headers = headers


def reply(body: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return _response(dump(body), status, JSON_TYPE, headers)


def reply_text(text: str, tag: str | None = None) -> Response:
    """An answer of JSON text; ``tag`` is its ETag, None = a hash of the text."""
    return _response(text, 200, JSON_TYPE, None if tag is None else {"ETag": tag})


def reply_page(text: str, content_type: str) -> Response:
    """A page for a browser, or a part of one. It may load only from the headend."""
    return _response(text, 200, content_type, {"Content-Security-Policy": PAGE_POLICY})


async def reply_items(items: Iterable[Json], next_cursor: str | None = None) -> Response:
    """A list. Other tasks run between items, so ``items`` must not change meanwhile."""
    return reply_text(await list_text(map(dump, items), next_cursor))


async def list_text(items: Iterable[str], next_cursor: str | None = None) -> str:
    """JSON text of a list. Other tasks run between items, so these must not change meanwhile."""
    return f'{{"items":[{await _join(items)}],"next_cursor":{json.dumps(next_cursor)}}}'


async def reply_with_list(
    body: Json,
    member: str,
    items: Iterable[Json],
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A JSON answer with ``items`` as the list ``member``, which is empty in ``body``.

    Other tasks run between items, so ``items`` must not change meanwhile.
    """
    # No text inside the body reads like this: its quotes are escaped.
    before, empty, after = dump(body).partition(f'"{member}":[]')
    text = f"{before}{empty[:-1]}{await _join(map(dump, items))}]{after}"
    return _response(text, status, JSON_TYPE, headers)


async def _join(items: Iterable[str]) -> str:
    rendered: list[str] = []
    remaining = iter(items)
    while turn := list(islice(remaining, ITEMS_A_TURN)):
        rendered += turn
        await trio.lowlevel.checkpoint()
    return ",".join(rendered)


def problem(
    status: int,
    detail: str,
    errors: FieldErrors = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """An ``application/problem+json`` answer to the current request."""
    path = websocket.path if has_websocket_context() else request.path
    kind = kind_of(status)
    body: Json = {
        "type": kind.type,
        "title": kind.title,
        "status": status,
        "detail": detail,
        "instance": quote(path),
        "errors": [{"pointer": pointer, "detail": text} for pointer, text in errors],
    }
    return _response(dump(body), status, "application/problem+json", headers)


def reply_body(
    body: str | bytes | ResponseBody, content_type: str, headers: Mapping[str, str] | None = None
) -> Response:
    """An answer of any type, whose body may come piece by piece."""
    return _response(body, 200, content_type, headers)


def _response(
    text: str | bytes | ResponseBody,
    status: int,
    content_type: str,
    headers: Mapping[str, str] | None,
) -> Response:
    response = Response(text, status=status, content_type=content_type)
    for name, value in {**HEADERS, **(headers or {})}.items():
        response.headers[name] = value
    return response

"""Errors as RFC 9457 problem details, every one of them: never a page of HTML."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from derhead.errors import JournalError
from derhead.history import BadCursor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem(Exception):
    """An answer that is an error. ``errors`` are (pointer, detail): what to mend, and where."""

    status: int
    detail: str
    errors: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def not_found(what: str, name: str) -> Problem:
    """There is no such thing, under this name."""
    return Problem(404, f"there is no {what} {name[:100]!r}")


def bad_parameter(name: str, detail: str) -> Problem:
    """A query parameter is wrong; ``detail`` says what to write."""
    return Problem(
        422, f"the query parameter {name} is wrong", errors=((f"/query/{name}", detail),)
    )


def answer(problem: Problem) -> Response:
    """The problem as a response."""
    title = HTTPStatus(problem.status).phrase
    body: dict[str, object] = {
        "type": "about:blank",
        "title": title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.path,
    }
    if problem.errors:
        body["errors"] = [
            {"pointer": pointer, "detail": detail} for pointer, detail in problem.errors
        ]
    return Response(
        json.dumps(body),
        status=problem.status,
        content_type="application/problem+json",
        headers=dict(problem.headers),
    )


def install(app: QuartTrio) -> None:
    """Makes every error of the app a problem."""

    @app.errorhandler(Problem)
    async def _on_problem(problem: Problem) -> Response:
        return answer(problem)

    @app.errorhandler(JournalError)
    async def _on_journal_error(error: JournalError) -> Response:
        log.error("%s %s: %s", request.method, request.path, error)
        return answer(Problem(503, f"nothing was recorded: {error}", headers={"Retry-After": "5"}))

    @app.errorhandler(BadCursor)
    async def _on_bad_cursor(error: BadCursor) -> Response:
        return answer(bad_parameter("cursor", str(error)))

    @app.errorhandler(HTTPException)
    async def _on_http_exception(error: HTTPException) -> Response:
        status = error.code or 500
        headers = {}
        detail = error.description or HTTPStatus(status).phrase
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            allowed = ", ".join(sorted(error.valid_methods))
            headers["Allow"] = allowed
            detail = f"{request.path} allows {allowed}"
        elif status == 404:
            detail = f"there is nothing at {request.path[:200]!r}"
        return answer(Problem(status, detail, headers=headers))

    @app.errorhandler(Exception)
    async def _on_fault(error: Exception) -> Response:
        log.error("%s %s failed", request.method, request.path, exc_info=error)
        return answer(Problem(500, "a fault of the headend's own; its log has the details"))

"""The part of its app that the HTTP server uses."""

from typing import Any, Protocol

from derhead.httpserver.fast_lane import FastLane
from derhead.httpserver.http_bounds.http_limits import HttpLimits


class AnswerCut(Exception):
    """Raised by an app that cannot finish an answer it has begun. The log says why."""


class HttpApp(Protocol):
    """An ASGI app, with what its server needs beyond ASGI."""

    @property
    def lane(self) -> FastLane | None:
        """Answers some of the requests; None = the app answers all."""

    def take_limits(self, limits: HttpLimits) -> None:
        """Sets the limits that the app itself enforces."""

    def problem_text(self, status: int, detail: str) -> str:
        """Problem JSON (RFC 9457) for a request that is refused before it reaches the app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

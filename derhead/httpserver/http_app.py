"""What the server needs of the app that it serves."""

from typing import Any, Protocol

from derhead.httpserver.fast_lane import FastLane
from derhead.httpserver.http_limits import HttpLimits


class AnswerCut(Exception):
    """An app raises it where an answer that has begun cannot be finished. The log says why."""


class HttpApp(Protocol):
    """An ASGI app, and what it tells its server."""

    @property
    def lane(self) -> FastLane | None:
        """It answers some of the requests; None = the app answers all."""

    def take_limits(self, limits: HttpLimits) -> None:
        """Sets those of the limits that the app itself keeps."""

    def problem_text(self, status: int, detail: str) -> str:
        """The JSON (RFC 9457) of a problem with a request that does not reach the app."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

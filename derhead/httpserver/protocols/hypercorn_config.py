"""Hypercorn's settings, and the headers of every answer."""

from collections.abc import Callable

from hypercorn.config import Config

from derhead.httpserver.protocols.request_head import HEADER_BYTES
from derhead.httpserver.protocols.request_ids import RequestIds

H2_STREAMS = 32
"""Open requests of one HTTP/2 connection. When full, one more is a protocol error of the
client."""


class ServerConfig(Config):
    """Hypercorn's settings for one server; ``problem_text`` is that of ``HttpApp``."""

    def __init__(
        self,
        problem_text: Callable[[int, str], str],
        *,
        control_frames: int,
        resets: int,
    ) -> None:
        super().__init__()
        self._problem_text = problem_text
        self.refused = 0
        """Requests that were answered before they reached the app."""
        self.control_frames = control_frames
        self.resets = resets
        self.request_ids = RequestIds()
        self.floods = 0
        """HTTP/2 connections that were ended because their clients made too much work."""
        self.accesslog = None
        self.include_server_header = False
        self.h11_max_incomplete_size = HEADER_BYTES
        self.h2_max_concurrent_streams = H2_STREAMS
        self.h2_max_header_list_size = HEADER_BYTES

    def problem_text(self, status: int, detail: str) -> str:
        """The problem with which the server itself answers a request; counts the request."""
        self.refused += 1
        return self._problem_text(status, detail)

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """The headers of every answer, also of those that Hypercorn makes itself."""
        return [*super().response_headers(protocol), self.request_ids.header()]

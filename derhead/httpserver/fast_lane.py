"""The fast lane: an app's own way to answer a few requests without Hypercorn and ASGI.

A request costs 600 µs through Hypercorn and Quart. A short answer needs 20 µs; the rest goes into
a nursery, three tasks, channels and contexts.
"""

from collections.abc import Iterable
from typing import Any, Protocol

import h11
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol


class LaneRequest(Protocol):
    """A request that a lane has found."""

    @property
    def end(self) -> int:
        """The index behind its last byte."""


class FastLane(Protocol):
    """Finds and answers some of an app's requests, byte for byte as the app does."""

    def find(self, data: bytes, start: int, address: str | None) -> LaneRequest | None:
        """The request that begins at ``start``, if it is complete and the lane answers it.

        ``address`` is that of the server, at which the client has connected.
        """

    async def answer(self, request: Any, server_headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The whole answer to a request from ``find``.

        ``server_headers`` are the headers that the server adds to every answer.
        """


def find_free(wrapper: ProtocolWrapper) -> H11Protocol | None:
    """Hypercorn's HTTP/1.1 protocol of a connection, if a lane may answer the next request.

    A lane may answer between requests, if Hypercorn holds no byte of the next request and that
    request is not the connection's last. The lane's caller then counts the request in
    ``keep_alive_requests``.
    """
    protocol = wrapper.protocol
    if not isinstance(protocol, H11Protocol):
        return None
    connection = protocol.connection
    free = (
        connection.their_state is h11.IDLE
        and not connection.trailing_data[0]
        and protocol.keep_alive_requests + 1 < protocol.config.keep_alive_max_requests
    )
    return protocol if free else None

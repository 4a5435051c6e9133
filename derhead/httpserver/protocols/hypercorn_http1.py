"""Hypercorn's HTTP/1.1, whose refusals are problems."""

import sys
from typing import Any

import h11
from hypercorn.events import RawData
from hypercorn.protocol.h11 import H11Protocol

from derhead.httpserver.protocols.h11_parser import HeadRefused, Http1Parser
from derhead.httpserver.protocols.hypercorn_config import ServerConfig
from derhead.httpserver.protocols.request_head import HEADER_BYTES, TOO_LONG


class Http1Answers(H11Protocol):
    """HTTP/1.1 with problems (RFC 9457) as refusals, and without WebSockets.

    A request for a WebSocket is answered as a plain request, as RFC 9110 (7.8) allows.
    """

    config: ServerConfig
    connection: h11.Connection

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connection = Http1Parser(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)

    @property
    def waits_for_head(self) -> bool:
        """Whether a part of a request's header has come."""
        connection = self.connection
        return connection.their_state is h11.IDLE and bool(connection.trailing_data[0])

    async def _create_stream(self, request: h11.Request) -> None:
        fields = [field for field in request.headers if field[0] != b"upgrade"]
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=request.target,
                headers=fields,
                http_version=request.http_version,
            )
        )

    async def _send_error_response(self, status_code: int) -> None:
        # Hypercorn calls this while it handles h11's error, and does not pass the error.
        error = sys.exc_info()[1]
        # For h11 an unknown transfer coding is the server's fault.
        status_code = 400 if status_code >= 500 else status_code
        detail = f"the request breaks HTTP/1.1: {error}"[:300]
        if status_code == 431:
            detail = TOO_LONG
        elif isinstance(error, HeadRefused):
            detail = str(error)
        try:
            # In one piece: between two pieces the app could send an answer of its own.
            data = refusal_text(self.config, status_code, detail, self.connection)
        except h11.LocalProtocolError:
            # An answer has begun; the connection ends after it.
            return
        await self.send(RawData(data=data))


def refusal_text(
    config: ServerConfig, status: int, detail: str, connection: h11.Connection
) -> bytes:
    """A whole answer with a problem, the last of its connection.

    Raises: h11.LocalProtocolError, if an answer has begun.
    """
    body = config.problem_text(status, detail).encode("ascii")
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *config.response_headers("h11"),
    ]
    answer: list[Any] = [
        h11.Response(status_code=status, headers=headers),
        h11.Data(data=body),
        h11.EndOfMessage(),
    ]
    return b"".join(connection.send(event) or b"" for event in answer)

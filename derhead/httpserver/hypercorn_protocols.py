"""Hypercorn's HTTP/1.1 and HTTP/2, with what they lack.

Its HTTP/1.1 answers a request that breaks HTTP with a status and no body; its HTTP/2 lets an
answer's parts pile up while the client takes none. Everything else is its own code.
"""

import sys
from collections.abc import Callable
from typing import Any

import h11
from hypercorn.config import Config
from hypercorn.events import Event as IOEvent
from hypercorn.events import RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Body, Event
from hypercorn.protocol.h2 import BUFFER_HIGH_WATER, H2Protocol
from hypercorn.protocol.h11 import (
    H2CProtocolRequiredError,
    H2ProtocolAssumedError,
    H11Protocol,
)

from derhead.httpserver.request_head import HEADER_BYTES, TOO_LONG, refusal_of
from derhead.httpserver.request_ids import RequestIds


class ServerConfig(Config):
    """Hypercorn's settings, and what every answer's header has."""

    def __init__(self, problem_text: Callable[[int, str], str]) -> None:
        super().__init__()
        self.problem_text = problem_text
        self.request_ids = RequestIds()

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Of every answer, also of those that Hypercorn makes itself."""
        return [*super().response_headers(protocol), self.request_ids.header()]


class HeadRefused(h11.RemoteProtocolError):
    """A request's header is one that ``request_head`` refuses."""


class Http1Parser(h11.Connection):
    """h11's parser that refuses what h11 lets pass: see ``request_head``."""

    def _extract_next_receive_event(self) -> Any:
        before = len(self._receive_buffer)
        event = super()._extract_next_receive_event()
        if isinstance(event, h11.Request):
            size = before - len(self._receive_buffer)
            refusal = refusal_of(size, event.headers)
            if refusal is not None:
                raise HeadRefused(refusal.detail, error_status_hint=refusal.status)
        return event


class Http1Answers(H11Protocol):
    """HTTP/1.1 whose own refusals are problems (RFC 9457), and that knows no WebSockets.

    There are none here. A request for one is answered as if it had not asked for more than
    HTTP, as RFC 9110 (7.8) allows: with a 404.
    """

    config: ServerConfig

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.connection = Http1Parser(h11.SERVER, max_incomplete_event_size=HEADER_BYTES)

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
        # Called where h11's error is being handled, without it.
        error = sys.exc_info()[1]
        # h11 would have a transfer coding that nobody knows be the server's fault.
        status_code = 400 if status_code >= 500 else status_code
        detail = f"the request breaks HTTP/1.1: {error}"[:300]
        if status_code == 431:
            detail = TOO_LONG
        elif isinstance(error, HeadRefused):
            detail = str(error)
        body = self.config.problem_text(status_code, detail).encode("ascii")
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *self.config.response_headers("h11"),
        ]
        answer: list[Any] = [
            h11.Response(status_code=status_code, headers=headers),
            h11.Data(data=body),
            h11.EndOfMessage(),
        ]
        try:
            # All at once: between two pieces the app may try to answer, too.
            data = b"".join(self.connection.send(event) or b"" for event in answer)
        except h11.LocalProtocolError:
            # An answer has begun already; the connection ends with it.
            return
        await self.send(RawData(data=data))


class Http2Answers(H2Protocol):
    """HTTP/2 whose answers wait for the window that their client gives.

    Hypercorn's own do not once the window is closed: what an answer goes on to say piles up.
    """

    async def stream_send(self, event: Event) -> None:
        await super().stream_send(event)
        if isinstance(event, Body):
            buffer = self.stream_buffers.get(event.stream_id)
            while buffer is not None and len(buffer.buffer) >= BUFFER_HIGH_WATER:
                # Set whenever less than a frame was taken, nothing included.
                await buffer._paused.wait()
                await buffer._paused.clear()


class Protocols(ProtocolWrapper):
    """Begins as ``Http1Answers``, becomes ``Http2Answers`` if the first bytes say so."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        *self._common, _ = arguments
        self.protocol = Http1Answers(*self._common)

    async def handle(self, event: IOEvent) -> None:
        try:
            await self.protocol.handle(event)
        except H2ProtocolAssumedError as begun:
            await self._become_http2(begun.data)
        except H2CProtocolRequiredError as asked:
            await self._become_http2(asked.data, asked.headers, asked.settings)

    async def _become_http2(self, data: bytes, *upgrade: Any) -> None:
        self.protocol = protocol = Http2Answers(*self._common)
        await protocol.initiate(*upgrade)
        if data:
            await protocol.handle(RawData(data))

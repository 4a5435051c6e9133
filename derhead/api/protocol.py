"""Hypercorn's HTTP/1.1, with an answer that says what is wrong where a request breaks HTTP.

Hypercorn answers those with a status and no body. Everything else is its own code.
"""

import json
import sys
from typing import Any

import h11
from hypercorn.config import Config
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H11Protocol

from derhead.api.problems import kind_of
from derhead.api.request_ids import RequestIds


class ServerConfig(Config):
    """Hypercorn's settings, and what every answer's header has."""

    def __init__(self) -> None:
        super().__init__()
        self.request_ids = RequestIds()

    def response_headers(self, protocol: str) -> list[tuple[bytes, bytes]]:
        """Of every answer, also of those that Hypercorn makes itself."""
        return [*super().response_headers(protocol), self.request_ids.header()]


class Http1(H11Protocol):
    """HTTP/1.1 whose own refusals are problems (RFC 9457)."""

    async def _send_error_response(self, status_code: int) -> None:
        # Called where h11's error is being handled, without it.
        error = sys.exc_info()[1]
        kind = kind_of(status_code)
        body = json.dumps(
            {
                "type": kind.type,
                "title": kind.title,
                "status": status_code,
                "detail": f"the request breaks HTTP/1.1: {error}"[:300],
                "errors": [],
            },
            separators=(",", ":"),
        ).encode("ascii")
        headers = [
            (b"content-type", b"application/problem+json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *self.config.response_headers("h11"),
        ]
        await self._send_h11_event(h11.Response(status_code=status_code, headers=headers))
        await self._send_h11_event(h11.Data(data=body))
        await self._send_h11_event(h11.EndOfMessage())


class Protocols(ProtocolWrapper):
    """Begins as ``Http1``; becomes HTTP/2 where the client's first bytes say so."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        *common, _ = arguments
        self.protocol = Http1(*common)

"""Both protocols on one connection: HTTP/1.1, and HTTP/2 if the client chooses it.

Under TLS the client chooses by ALPN, otherwise by its first bytes or by an upgrade.
"""

from typing import Any

from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.h11 import H2CProtocolRequiredError, H2ProtocolAssumedError

from derhead.httpserver.protocols.hypercorn_http1 import Http1Answers
from derhead.httpserver.protocols.hypercorn_http2 import Http2Answers


class Protocols(ProtocolWrapper):
    """Begins with the protocol of its last argument, ``h2`` or any other, which is HTTP/1.1.

    HTTP/1.1 becomes HTTP/2 if the first bytes say so.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        *self._common, chosen = arguments
        answers = Http2Answers if chosen == "h2" else Http1Answers
        self.protocol = answers(*self._common)

    @property
    def is_multiplexed(self) -> bool:
        """Whether several requests share the connection."""
        return isinstance(self.protocol, Http2Answers)

    @property
    def waits_for_head(self) -> bool:
        """Whether a part of a request's header has come."""
        protocol = self.protocol
        return isinstance(protocol, Http1Answers | Http2Answers) and protocol.waits_for_head

    async def handle(self, event: Event) -> None:
        try:
            await self.protocol.handle(event)
        except H2ProtocolAssumedError as begun:
            await self._become_http2(begun.data)
        except H2CProtocolRequiredError as asked:
            await self._become_http2(asked.data, asked.headers, asked.settings)

    async def _become_http2(self, data: bytes, *upgrade: Any) -> None:
        self.protocol = protocol = Http2Answers(*self._common)
        await protocol.initiate(*upgrade)
        # Hypercorn took the preface for a request, and that request has no answer.
        await self.send(Updated(idle=protocol.idle))
        if data:
            await protocol.handle(RawData(data))

"""A listener that accepts connections under TLS, each with the context in force at that moment."""

import ssl
from collections.abc import Callable

import trio


class TlsListener(trio.abc.Listener[trio.SSLStream[trio.abc.Stream]]):
    """Wraps another listener. Unlike ``trio.SSLListener``, it can change its context.

    The server of the stream does the handshake.
    """

    def __init__(
        self,
        transports: trio.abc.Listener[trio.abc.Stream],
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self._transports = transports
        self._context = context

    async def accept(self) -> trio.SSLStream[trio.abc.Stream]:
        stream = await self._transports.accept()
        # HTTP has its own end of a connection.
        return trio.SSLStream(stream, self._context(), server_side=True, https_compatible=True)

    async def aclose(self) -> None:
        await self._transports.aclose()

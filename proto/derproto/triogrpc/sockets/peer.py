"""Who is at the other end of a stream."""

from typing import Any

import grpclib.protocol
import trio


class Peer(grpclib.protocol.Peer):
    """The other end of a connection, as text and by its certificate."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self._address = _address(stream)

    def __str__(self) -> str:
        """``127.0.0.1:5123`` or ``[::1]:5123`` for sockets; other streams name themselves
        by an attribute ``peer_text``, or are called by their type."""
        address = self._address
        if isinstance(address, tuple):
            host, port = address[:2]
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return str(address)

    @property
    def host(self) -> str:
        """The address without the port; for other streams, the same as the text."""
        address = self._address
        return str(address[0]) if isinstance(address, tuple) else str(address)

    def addr(self) -> tuple[str, int] | None:
        """The address and port of a TCP peer."""
        address = self._address
        return (address[0], address[1]) if isinstance(address, tuple) else None

    def cert(self) -> dict[str, Any] | None:
        """The peer's verified certificate as ``ssl.SSLSocket.getpeercert`` gives it; None
        without TLS, or if it presented none."""
        if not isinstance(self._stream, trio.SSLStream):
            return None
        return self._stream.getpeercert() or None


def _address(stream: trio.abc.Stream) -> Any:
    inner = stream
    while isinstance(inner, trio.SSLStream):
        inner = inner.transport_stream
    if isinstance(inner, trio.SocketStream):
        try:
            return inner.socket.getpeername() or "unix"
        except OSError:  # gone already
            return "unknown"
    return getattr(inner, "peer_text", type(inner).__name__)

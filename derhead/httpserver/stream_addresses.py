"""Where a stream comes from and goes to."""

import socket

import trio
from hypercorn.utils import parse_socket_addr

from derhead.httpserver.tls_ends import transport_of

Address = tuple[str, int] | None


def addresses_of(stream: trio.abc.Stream) -> tuple[Address, Address]:
    """The client's and the server's address; None where there is none."""
    stream = transport_of(stream)
    if not isinstance(stream, trio.SocketStream):
        return None, None
    family: int = stream.socket.family
    try:
        peer = stream.socket.getpeername()
    except OSError:
        # The client reset the stream before it was served; reading the stream will show it.
        return None, None
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None, None
    own = stream.socket.getsockname()
    return parse_socket_addr(family, peer[:2]), parse_socket_addr(family, own[:2])

"""What one client may take of the headend's HTTP server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of every connection; each says what happens beyond it."""

    max_connections: int = 2000
    """Open connections (configurable). When full, a new one is closed before a byte of it is
    read."""
    idle_s: float = 15.0
    """Time without a complete request header: after connecting, between requests, and while a
    header drips in. When over, the connection is closed."""
    body_s: float = 10.0
    """Time from a request's header to the end of its body. When over, the answer is 408."""
    body_bytes: int = 64 * 1024
    """Bytes of a request's body. When full, the answer is 413."""
    send_s: float = 10.0
    """Time for a client to take 64 KiB of an answer. When over, the connection is closed."""
    response_s: float = 60.0
    """Time for an answer: to its first byte, from piece to piece, and in all. When over, the
    connection is closed."""
    stream_s: float = 30.0
    """Time for a reader of an event stream to take 64 KiB of it. When over, the connection is
    closed."""
    grace_s: float = 2.0
    """Time for answers on their way when the server stops. When over, they are cancelled."""

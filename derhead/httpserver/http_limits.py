"""What one client may take of the headend's HTTP server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of every connection; each says what happens beyond it."""

    max_connections: int = 2000
    """Open connections (configurable). When full, a new one is closed before a byte of it is
    read."""
    address_share: float = 0.5
    """Share of the places that one address may take, or one network of 64 bits of IPv6: half of
    them leaves a place for others, and is enough for a proxy. When full, a new connection from
    there is closed before a byte of it is read."""
    held_bytes: int = 64 * 1024 * 1024
    """Bytes of bodies and answers held for all connections. When full, the connection whose
    client has taken nothing for longest is closed."""
    h2_control_frames: int = 500
    """Frames of one HTTP/2 connection in 30 s that make work and move nothing: PING, SETTINGS,
    PRIORITY, unknown ones, and small DATA and WINDOW_UPDATE beyond what requests and answers
    need. When full, the connection ends."""
    h2_resets: int = 200
    """Requests that one HTTP/2 connection may reset in 30 s. When full, the connection ends."""
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

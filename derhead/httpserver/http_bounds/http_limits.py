"""What clients may take of the HTTP server."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """The bounds of a server and of its connections."""

    max_connections: int = 2000
    """Open connections (configurable). When full, a new one is closed before a byte of it is
    read."""
    address_share: float = 0.5
    """Share of the connections that one address may have open; a /64 network of IPv6 counts as one
    address. Half leaves places for others, and is enough for a proxy. When full, a new connection
    from that address is closed before a byte of it is read."""
    held_bytes: int = 128 * 1024 * 1024
    """Bytes of request bodies and answers in memory, of all connections. When full, the connection
    whose client has read nothing for longest is closed."""
    h2_control_frames: int = 500
    """Frames in 30 s that one HTTP/2 client may send without purpose: PING, SETTINGS, PRIORITY and
    unknown frames, and small DATA and WINDOW_UPDATE frames beyond those that requests and answers
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

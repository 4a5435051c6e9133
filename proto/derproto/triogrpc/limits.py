"""Every bound of a link, in one place."""

from dataclasses import dataclass

KiB = 1024
MiB = 1024 * KiB


@dataclass(frozen=True, kw_only=True)
class LinkLimits:
    """How much one peer may cost us, and how long we wait for it.

    The same object serves both ends; a field that concerns one end says so. The defaults
    suit thousands of peers that each keep one long stream of small messages.

    Raises: ValueError at construction, for a bound that could not work.
    """

    max_connections: int = 6000
    """Open connections of one server. Above it, a new one is accepted and closed at once,
    so that its peer hears of it now and backs off, instead of waiting in a queue."""

    max_streams: int = 16
    """Calls at a time on one connection, at the server. Announced to the client as
    SETTINGS_MAX_CONCURRENT_STREAMS; a stream above it is refused with REFUSED_STREAM, and
    calls that are still cleaning up count."""

    max_message_bytes: int = 4 * MiB
    """Bytes of one message's body, either way. Checked against the length that stands
    before the body, so that a message too large is never gathered."""

    stream_window_bytes: int = 128 * KiB
    """Received and not yet consumed bytes of one stream. This is what a peer may have
    waiting for a handler that does not receive; then the peer's sender waits."""

    connection_window_bytes: int = 256 * KiB
    """The same, for all streams of a connection together. Twice the stream's, so that one
    handler that does not receive leaves room for the others."""

    write_buffer_bytes: int = 256 * KiB
    """Bytes gathered for one connection's next writes, together with those being written.
    Above it senders wait."""

    max_header_list_bytes: int = 16 * KiB
    """Decoded bytes of one header block, by HTTP/2's counting (32 more for each field).
    More of them ends the connection."""

    handshake_timeout_s: float = 10.0
    """Seconds from the accepted socket to the peer's first HTTP/2 SETTINGS, TLS
    included. A peer that connects and says nothing costs no more than this."""

    max_handshakes: int = 128
    """Connections of one server whose handshake is under way. Above it, new ones wait in
    the listener's backlog: a fleet that reconnects at once must not starve those already
    in, and the turns of the loop between them grow with those on their way."""

    handshake_patience_s: float = 2.0
    """Seconds that a handshake may take while ``max_handshakes`` are under way and another
    connection waits: the oldest is closed then."""

    keepalive_time_s: float = 30.0
    """Seconds without a byte from the peer after which it is sent a PING."""

    keepalive_timeout_s: float = 10.0
    """Seconds after that PING within which any byte must come, else the connection is
    closed. A peer whose host lost power is noticed by this alone."""

    send_timeout_s: float = 30.0
    """Seconds within which the peer must take the next 64 KiB (or what there is), else
    the connection is closed. What waits for a stalled reader is freed by this."""

    max_resets_per_30_s: int = 200
    """Streams a client may reset, or have refused, within 30 seconds. Opening and
    resetting streams costs the client two frames and the server a task each time."""

    max_control_frames_per_30_s: int = 2000
    """PING, SETTINGS, PRIORITY, unknown and empty DATA frames within 30 seconds: frames
    that make work and move nothing."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f"{name} must be positive, not {value!r}")
        for name in ("stream_window_bytes", "connection_window_bytes"):
            if getattr(self, name) >= 2**31:
                raise ValueError(f"{name} must be less than 2**31")
        if self.connection_window_bytes < 65535:
            # HTTP/2 gives no way to announce less.
            raise ValueError("connection_window_bytes must be at least 65535")
        if self.max_message_bytes >= 2**32:
            raise ValueError("max_message_bytes must be less than 2**32")

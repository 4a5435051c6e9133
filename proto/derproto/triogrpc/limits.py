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
    """Open connections of one server; the headend sets ``max_sessions`` + 1,000. When full, a new
    one is accepted and closed at once, so that its peer learns of it now and backs off, instead
    of waiting in a queue."""

    max_streams: int = 16
    """Calls at a time on one connection, at the server, those that still clean up included;
    announced as SETTINGS_MAX_CONCURRENT_STREAMS. When full, a stream is refused with
    REFUSED_STREAM."""

    max_message_bytes: int = 4 * MiB
    """Bytes of one message's body, either way, checked against the length that precedes it. When
    full, the call ends with RESOURCE_EXHAUSTED before the message is gathered."""

    stream_window_bytes: int = 128 * KiB
    """Bytes of one stream received and not yet consumed by its handler. When full, the peer's
    sender waits."""

    connection_window_bytes: int = 256 * KiB
    """Bytes of all streams of a connection received and not yet consumed: twice the stream's, so
    that one slow handler leaves room for the others. When full, the peer's senders wait."""

    write_buffer_bytes: int = 256 * KiB
    """Bytes gathered for one connection's next writes, together with those being written. When
    full, senders wait."""

    max_header_list_bytes: int = 16 * KiB
    """Decoded bytes of one header block, by HTTP/2's counting (32 more for each field). When
    full, the connection ends."""

    handshake_timeout_s: float = 10.0
    """Time from the accepted socket to the peer's first HTTP/2 SETTINGS, TLS included. When over,
    the connection is closed."""

    max_handshakes: int = 128
    """Connections of one server whose handshake is under way. When full, new ones wait in the
    listener's backlog: a fleet that reconnects at once must not starve the connections already
    in."""

    handshake_patience_s: float = 2.0
    """Time that a handshake may take while ``max_handshakes`` are under way and another
    connection waits. When over, the oldest handshake is closed."""

    keepalive_time_s: float = 30.0
    """Time without a byte from the peer. When over, the peer is sent a PING."""

    keepalive_timeout_s: float = 10.0
    """Time after that PING for any byte to come: the only sign of a peer whose host lost power.
    When over, the connection is closed."""

    send_timeout_s: float = 30.0
    """Time for the peer to take the next 64 KiB, or what there is. When over, the connection is
    closed, which frees what waited for a stalled reader."""

    max_resets_per_30_s: int = 200
    """Streams that a client may reset, or have refused, within 30 seconds: each costs the client
    two frames and the server a task. When full, the connection ends."""

    max_control_frames_per_30_s: int = 2000
    """PING, SETTINGS, PRIORITY, unknown and empty DATA frames within 30 seconds: frames that make
    work and move nothing. When full, the connection ends."""

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

"""Every bound of a link, in one place."""

from dataclasses import dataclass

KiB = 1024
MiB = 1024 * KiB


@dataclass(frozen=True, kw_only=True)
class NewcomerLimits:
    """How much a connection may cost until its service admits it (``ServerStream.admit``)."""

    max_streams: int = 1
    """Calls at a time on a connection that is not admitted, announced as
    SETTINGS_MAX_CONCURRENT_STREAMS. When full, a stream is refused with REFUSED_STREAM, and the
    client may try again once the connection is admitted."""

    max_message_bytes: int = 1 * MiB
    """Bytes of one message of a call that is not admitted. When full, the call ends with
    RESOURCE_EXHAUSTED before the message is gathered."""

    address_share: int = 1500
    """Connections of one address that are not admitted; the headend sets a quarter of
    ``max_connections``. When full, nothing happens until the server itself is full. Then the oldest
    connection of that address is closed before those of other addresses. So a fleet behind one
    address comes in as fast as it registers."""

    def __post_init__(self) -> None:
        _check_positive(self)


@dataclass(frozen=True, kw_only=True)
class LinkLimits:
    """How much one peer may cost, and how long this end waits for it.

    Both ends take the same class; a field that concerns one end says so. The defaults suit
    thousands of peers, each with one long stream of small messages.

    Raises: ValueError at construction, for a bound that cannot work.
    """

    max_connections: int = 6000
    """Open connections of one server; the headend sets ``max_sessions`` + 1,000. When full, the
    oldest that no service has admitted is closed to let a new one in. If all are admitted, the
    new one is closed at once: its peer then backs off, instead of waiting in a queue."""

    newcomers: NewcomerLimits | None = None
    """What a connection may cost until its service admits it. None: every connection is admitted
    from its start."""

    max_streams: int = 16
    """Calls at a time on one connection, at the server, those that still clean up included;
    announced as SETTINGS_MAX_CONCURRENT_STREAMS. When full, a stream is refused with
    REFUSED_STREAM."""

    max_message_bytes: int = 4 * MiB
    """Bytes of one message's body, either way, checked against the length that precedes it. When
    full, the call ends with RESOURCE_EXHAUSTED before the message is gathered."""

    max_reassembly_bytes: int = 64 * MiB
    """Bytes of unfinished messages of all connections together; messages of which less than 16 KiB
    have arrived are not counted. When full, the call that has gathered for longest ends with
    RESOURCE_EXHAUSTED, calls that are not admitted first."""

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
    """Time after that PING for any byte to come; silence is the only sign of a host without power.
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
        _check_positive(self)
        for name in ("stream_window_bytes", "connection_window_bytes"):
            if getattr(self, name) >= 2**31:
                raise ValueError(f"{name} must be less than 2**31")
        if self.connection_window_bytes < 65535:
            # The least that HTTP/2 can announce.
            raise ValueError("connection_window_bytes must be at least 65535")
        if self.max_message_bytes >= 2**32:
            raise ValueError("max_message_bytes must be less than 2**32")


def _check_positive(limits: LinkLimits | NewcomerLimits) -> None:
    for name, value in vars(limits).items():
        if isinstance(value, int | float) and not value > 0:
            raise ValueError(f"{name} must be positive, not {value!r}")

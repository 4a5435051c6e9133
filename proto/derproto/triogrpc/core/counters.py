"""The counters of a server, and their snapshot."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

ERROR_KINDS = (
    "accept",
    "handshake",
    "tls",
    "protocol",
    "flood",
    "send_timeout",
    "keepalive",
    "yielded",
    "message",
    "request",
    "handler",
    "connection",
)
"""Kinds of errors; ``ServerStatistics.errors`` says what each counts."""


class Counters:
    """Counts of one server, or of one client connection, as they run."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "connections_open",
        "connections_refused",
        "connections_total",
        "errors",
        "messages_received",
        "messages_sent",
        "streams_open",
        "streams_refused",
        "streams_total",
    )

    def __init__(self) -> None:
        self.connections_open = 0
        self.connections_total = 0
        self.connections_refused = 0
        self.streams_open = 0
        self.streams_total = 0
        self.streams_refused = 0
        self.messages_received = 0
        self.messages_sent = 0
        self.bytes_received = 0
        self.bytes_sent = 0
        self.errors: Counter[str] = Counter()

    def snapshot(self, unfinished_bytes: int) -> "ServerStatistics":
        return ServerStatistics(
            unfinished_bytes=unfinished_bytes,
            connections_open=self.connections_open,
            connections_total=self.connections_total,
            connections_refused=self.connections_refused,
            streams_open=self.streams_open,
            streams_total=self.streams_total,
            streams_refused=self.streams_refused,
            messages_received=self.messages_received,
            messages_sent=self.messages_sent,
            bytes_received=self.bytes_received,
            bytes_sent=self.bytes_sent,
            errors=MappingProxyType(dict(self.errors)),
        )


@dataclass(frozen=True, kw_only=True)
class ServerStatistics:
    """A server's counts at one moment. All but the ``_open`` ones and ``unfinished_bytes`` only
    grow."""

    connections_open: int
    connections_total: int
    """Connections accepted and served."""
    connections_refused: int
    """Closed at once because ``max_connections`` were open."""
    streams_open: int
    """Calls whose handler runs or cleans up."""
    streams_total: int
    streams_refused: int
    """Above ``max_streams``, or while draining."""
    messages_received: int
    messages_sent: int
    bytes_received: int
    bytes_sent: int
    unfinished_bytes: int
    """Bytes of messages that have not come whole."""
    errors: Mapping[str, int]
    """By kind: ``accept``, ``handshake``, ``tls``, ``protocol``, ``flood``,
    ``send_timeout``, ``keepalive``, ``yielded`` (to another connection, of a full server),
    ``message`` (not to be decoded, too large, compressed), ``request`` (headers that are no
    call of ours), ``handler`` (an exception other than GRPCError), ``connection`` (a fault of
    ours, contained)."""

"""gRPC on Trio: grpclib's core, hosted without an asyncio loop. See README.md.

Rooms, from the ground up; each imports only from those before it:

- ``core``: limits, errors, counters, deadlines, waits.
- ``sockets``: bytes in and out, for all connections in a few tasks.
- ``connection``: one HTTP/2 connection and its streams.
- ``calls``: one call, as its handler or its caller sees it.
- ``server`` and ``channel``: the two ends; ``testing``: both over a network in memory.
"""

from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from derproto.triogrpc.calls.client_stream import ClientStream
from derproto.triogrpc.calls.handlers import Handler
from derproto.triogrpc.calls.server_stream import ServerStream
from derproto.triogrpc.channel import Channel, connect
from derproto.triogrpc.connection.inbound import Deferred
from derproto.triogrpc.core.counters import ERROR_KINDS, ServerStatistics
from derproto.triogrpc.core.deadline import Deadline
from derproto.triogrpc.core.link_errors import ConnectionLost
from derproto.triogrpc.core.link_limits import LinkLimits, NewcomerLimits
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.server import Server
from derproto.triogrpc.sockets.dialing import dial
from derproto.triogrpc.sockets.handshakes import HandshakeFailed, shake_hands

__all__ = [
    # What both ends share
    "Method",
    "LinkLimits",
    "NewcomerLimits",
    "Deadline",
    # The server
    "Server",
    "Handler",
    "ServerStream",
    "Deferred",
    "ServerStatistics",
    "ERROR_KINDS",
    # TLS at either end
    "shake_hands",
    "HandshakeFailed",
    # The client
    "dial",
    "connect",
    "Channel",
    "ClientStream",
    "ConnectionLost",
    # grpclib's, for convenience
    "Cardinality",
    "GRPCError",
    "Status",
    "StreamTerminatedError",
]

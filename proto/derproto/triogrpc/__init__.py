"""gRPC on Trio: grpclib's core, hosted without an asyncio loop. See README.md."""

from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

from derproto.triogrpc.client import Channel, connect
from derproto.triogrpc.client_stream import ClientStream
from derproto.triogrpc.counters import ServerStatistics
from derproto.triogrpc.deadline import Deadline
from derproto.triogrpc.dialing import dial
from derproto.triogrpc.errors import ConnectionLost
from derproto.triogrpc.inbound import Deferred
from derproto.triogrpc.limits import LinkLimits, NewcomerLimits
from derproto.triogrpc.method import Method
from derproto.triogrpc.server import Server
from derproto.triogrpc.server_stream import ServerStream

__all__ = [
    # What both ends share
    "Method",
    "LinkLimits",
    "NewcomerLimits",
    "Deadline",
    # The server
    "Server",
    "ServerStream",
    "Deferred",
    "ServerStatistics",
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

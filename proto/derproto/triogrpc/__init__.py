"""gRPC on Trio: grpclib's core, hosted without an asyncio loop. See README.md."""

from derproto.triogrpc.limits import LinkLimits
from derproto.triogrpc.method import Method

__all__ = ["LinkLimits", "Method"]

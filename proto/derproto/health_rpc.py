"""The rpcs of ``grpc.health.v1.Health``, gRPC's own health protocol.

Each of its two messages has one field. They are written here as the compiler would generate them.
"""

from dataclasses import dataclass

import betterproto2
from grpclib.const import Cardinality

from derproto.message_pool import default_message_pool
from derproto.triogrpc import Method


class ServingStatus(betterproto2.Enum):
    """Whether a service serves."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3
    """There is no such service; only ``Watch`` says so."""


@dataclass(eq=False, repr=False)
class HealthCheckRequest(betterproto2.Message):
    """Asks about a service."""

    service: "str" = betterproto2.field(1, betterproto2.TYPE_STRING)  # noqa: RUF009
    """Its full name; empty = the server as a whole."""


@dataclass(eq=False, repr=False)
class HealthCheckResponse(betterproto2.Message):
    """Whether the service serves."""

    status: "ServingStatus" = betterproto2.field(  # noqa: RUF009
        1, betterproto2.TYPE_ENUM, default_factory=lambda: ServingStatus(0)
    )


default_message_pool.register_message("grpc.health.v1", "HealthCheckRequest", HealthCheckRequest)
default_message_pool.register_message("grpc.health.v1", "HealthCheckResponse", HealthCheckResponse)

CHECK = Method(
    path="/grpc.health.v1.Health/Check",
    cardinality=Cardinality.UNARY_UNARY,
    request_type=HealthCheckRequest,
    reply_type=HealthCheckResponse,
)
WATCH = Method(
    path="/grpc.health.v1.Health/Watch",
    cardinality=Cardinality.UNARY_STREAM,
    request_type=HealthCheckRequest,
    reply_type=HealthCheckResponse,
)

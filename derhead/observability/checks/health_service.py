"""gRPC's health service, ``grpc.health.v1``, on the agents' port: for probes and load balancers.

The answer follows ``/readyz``: SERVING, unless a check is unready or the headend stops.
"""

from collections.abc import Mapping

import trio
from grpclib import GRPCError, Status

from derhead.observability.checks.readiness import Health, Readiness, worst
from derproto.health_rpc import CHECK, WATCH, HealthCheckRequest, HealthCheckResponse, ServingStatus
from derproto.triogrpc import Handler, Method, ServerStream

SERVICES = frozenset({"", "der.v1.Headend"})
"""The services that may be asked about; the empty name is the server."""

MAX_WATCHES = 64
"""Watches at a time. When full, one more ends with RESOURCE_EXHAUSTED."""

LOOK_S = 1.0
"""Seconds between two looks of a watch."""


class HealthService:
    """Answers ``Check``, and ``Watch`` at each change."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._watches = 0
        self._draining = trio.Event()

    def handlers(self) -> Mapping[Method, Handler]:
        """A handler for each of the service's rpcs."""
        return {CHECK: self._check, WATCH: self._watch}

    def drain(self) -> None:
        """Answers NOT_SERVING from now on, and ends every watch with that answer."""
        self._draining.set()

    def _status(self) -> ServingStatus:
        if self._draining.is_set() or worst(self._readiness.checks()) is Health.UNREADY:
            return ServingStatus.NOT_SERVING
        return ServingStatus.SERVING

    async def _check(self, stream: ServerStream) -> None:
        service = await _service_of(stream)
        if service not in SERVICES:
            raise GRPCError(Status.NOT_FOUND, f"there is no service {service[:64]!r}")
        await stream.send_message(HealthCheckResponse(status=self._status()))

    async def _watch(self, stream: ServerStream) -> None:
        service = await _service_of(stream)
        if self._watches >= MAX_WATCHES:
            raise GRPCError(Status.RESOURCE_EXHAUSTED, f"{MAX_WATCHES} watches are open")
        self._watches += 1
        try:
            if service in SERVICES:
                await self._follow(stream)
            else:
                # As the protocol asks: the service may be added later.
                unknown = ServingStatus.SERVICE_UNKNOWN
                await stream.send_message(HealthCheckResponse(status=unknown))
                await self._draining.wait()
        finally:
            self._watches -= 1

    async def _follow(self, stream: ServerStream) -> None:
        said = None
        while True:
            status = self._status()
            if status is not said:
                await stream.send_message(HealthCheckResponse(status=status))
                said = status
            if self._draining.is_set():
                return
            with trio.move_on_after(LOOK_S):
                await self._draining.wait()


async def _service_of(stream: ServerStream) -> str:
    request = await stream.recv_message()
    if not isinstance(request, HealthCheckRequest):
        raise GRPCError(Status.INVALID_ARGUMENT, "the request is missing")
    return request.service

"""grpc.health.v1 on our server: with grpcio as client, and bounded."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import pytest
import trio
import trio.testing
from grpclib.health.v1.health_pb2 import HealthCheckRequest as TheirRequest
from grpclib.health.v1.health_pb2 import HealthCheckResponse as TheirResponse

from derhead.observability import Check, Health, HealthService, Readiness
from derhead.observability.checks.health_service import MAX_WATCHES
from derproto.headend_rpc import ColumnCodec, MessageCodec
from derproto.health_rpc import WATCH, HealthCheckRequest, HealthCheckResponse, ServingStatus
from derproto.triogrpc import GRPCError, Server, Status, connect
from derproto.triogrpc.testing import MemoryNetwork

T = TypeVar("T")

WAIT_S = 20.0


@dataclass
class Probed:
    """A server with a health service, and what its one check says."""

    server: Server
    service: HealthService
    found: list[Health] = field(default_factory=lambda: [Health.READY])


@asynccontextmanager
async def probed(*listeners: trio.abc.Listener[Any]) -> AsyncIterator[Probed]:
    readiness = Readiness()
    service = HealthService(readiness)
    here = Probed(Server(service.handlers(), codec=ColumnCodec()), service)
    readiness.add(lambda: Check("journal", here.found[0]))
    async with trio.open_nursery() as nursery:
        await nursery.start(here.server.serve, listeners)
        yield here
        nursery.cancel_scope.cancel()


# --- grpcio -----------------------------------------------------------------------------------


@dataclass
class GrpcioProbe:
    """grpcio's calls, with the messages that grpclib's compiler made."""

    channel: Any

    def check(self, service: str = "") -> int:
        call = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=TheirRequest.SerializeToString,
            response_deserializer=TheirResponse.FromString,
        )
        status: int = call(TheirRequest(service=service), timeout=WAIT_S).status
        return status

    def watch(self, service: str = "") -> Any:
        call = self.channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=TheirRequest.SerializeToString,
            response_deserializer=TheirResponse.FromString,
        )
        return call(TheirRequest(service=service), timeout=WAIT_S)


@asynccontextmanager
async def grpcio_probing() -> AsyncIterator[tuple[Probed, GrpcioProbe]]:
    sockets = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = sockets[0].socket.getsockname()[1]
    async with probed(*sockets) as here:
        channel = grpc.insecure_channel(
            f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]
        )
        try:
            yield here, GrpcioProbe(channel)
        finally:
            channel.close()


async def in_thread(work: Callable[[], T]) -> T:
    with trio.fail_after(WAIT_S):
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)


async def test_grpcio_checks() -> None:
    async with grpcio_probing() as (here, probe):
        assert await in_thread(probe.check) == TheirResponse.SERVING
        assert await in_thread(lambda: probe.check("der.v1.Headend")) == TheirResponse.SERVING
        here.found[0] = Health.DEGRADED
        assert await in_thread(probe.check) == TheirResponse.SERVING
        here.found[0] = Health.UNREADY
        assert await in_thread(probe.check) == TheirResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as refused:
            await in_thread(lambda: probe.check("der.v1.Nothing"))
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_grpcio_watches_each_change_to_the_end() -> None:
    async with grpcio_probing() as (here, probe):
        watch = await in_thread(probe.watch)
        unknown = await in_thread(lambda: probe.watch("der.v1.Nothing"))
        assert (await in_thread(lambda: next(watch))).status == TheirResponse.SERVING
        assert (await in_thread(lambda: next(unknown))).status == TheirResponse.SERVICE_UNKNOWN
        here.found[0] = Health.UNREADY
        assert (await in_thread(lambda: next(watch))).status == TheirResponse.NOT_SERVING
        here.found[0] = Health.READY
        assert (await in_thread(lambda: next(watch))).status == TheirResponse.SERVING
        here.service.drain()
        left = await in_thread(lambda: [answer.status for answer in watch])
        assert left == [TheirResponse.NOT_SERVING]
        assert await in_thread(lambda: list(unknown)) == []


# --- bounds -----------------------------------------------------------------------------------


async def test_watches_are_bounded_and_free_their_place() -> None:
    network = MemoryNetwork()
    async with probed(network.listen("headend")), trio.open_nursery() as watching:

        async def watch(
            task_status: trio.TaskStatus[trio.CancelScope | GRPCError] = trio.TASK_STATUS_IGNORED,
        ) -> None:
            memory = await network.connect("headend")
            async with connect(memory, authority="headend", codec=MessageCodec()) as channel:
                async with channel.request(WATCH) as stream:
                    await stream.send_message(HealthCheckRequest(), end=True)
                    with trio.CancelScope() as scope:
                        try:
                            answer = await stream.recv_message()
                        except GRPCError as refused:
                            task_status.started(refused)
                            return
                        assert isinstance(answer, HealthCheckResponse)
                        assert answer.status is ServingStatus.SERVING
                        task_status.started(scope)
                        await trio.sleep_forever()

        scopes = [await watching.start(watch) for _ in range(MAX_WATCHES)]
        one_more = await watching.start(watch)
        assert isinstance(one_more, GRPCError)
        assert one_more.status is Status.RESOURCE_EXHAUSTED
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(await watching.start(watch), trio.CancelScope)
        watching.cancel_scope.cancel()

"""Our server, with grpcio's channels to it."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import grpc
import trio

from derproto.triogrpc import LinkLimits, Method, Server
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.interop import WAIT_S, EchoSchema
from tests.stream.triogrpc.support import Handler

T = TypeVar("T")


@dataclass
class Served:
    """Our server, and a grpcio channel to it, to be used in a thread."""

    server: Server
    channel: Any
    stub: Any
    port: int

    async def in_thread(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        with trio.fail_after(WAIT_S):
            return await trio.to_thread.run_sync(
                partial(work, *args, **kwargs), abandon_on_cancel=True
            )


@asynccontextmanager
async def serving(
    echo: EchoSchema,
    handlers: Mapping[Method, Handler],
    *,
    limits: LinkLimits | None = None,
    options: Iterable[tuple[str, Any]] = (),
    certificates: Certificates | None = None,
) -> AsyncIterator[Served]:
    server = Server(handlers, codec=echo.codec, limits=limits)
    sockets = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = sockets[0].socket.getsockname()[1]
    listeners: list[trio.abc.Listener[Any]] = list(sockets)
    options = [*options, ("grpc.use_local_subchannel_pool", 1)]
    if certificates is None:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=options)
    else:
        listeners = [
            trio.SSLListener(listener, certificates.server_context, https_compatible=True)
            for listener in sockets
        ]
        credentials = grpc.ssl_channel_credentials(
            certificates.ca_pem, certificates.client_key_pem, certificates.client_pem
        )
        channel = grpc.secure_channel(f"localhost:{port}", credentials, options=options)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, listeners)
        try:
            yield Served(server, channel, echo.stubs.EchoStub(channel), port)
        finally:
            channel.close()
        with trio.fail_after(WAIT_S):
            await server.drain(0)


def timed(call: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    return call(*args, timeout=WAIT_S, **kwargs)


def failure(call: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str]:
    """The status with which a call fails, and its message."""
    kwargs.setdefault("timeout", WAIT_S)
    try:
        result = call(*args, **kwargs)
        if isinstance(result, Iterator):
            for _ in result:
                pass
    except grpc.RpcError as error:
        return error.code().name, error.details()
    raise AssertionError("the call did not fail")

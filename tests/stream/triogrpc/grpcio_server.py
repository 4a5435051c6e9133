"""grpcio's server, with our channels to it."""

import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import trio

from derproto.triogrpc import (
    Channel,
    ClientStream,
    LinkLimits,
    connect,
    dial,
)
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.interop import WAIT_S, EchoSchema

Behave = Callable[..., Any]


class Calling:
    """grpcio's server, and our channels to it."""

    def __init__(
        self, echo: EchoSchema, server: Any, port: int, certificates: Certificates | None
    ) -> None:
        self.echo = echo
        self.server = server
        self.port = port
        self.certificates = certificates

    @asynccontextmanager
    async def channel(self, limits: LinkLimits | None = None) -> AsyncIterator[Channel]:
        context = self.certificates.client_context if self.certificates else None
        stream = await dial("localhost", self.port, ssl_context=context, timeout_s=WAIT_S)
        async with connect(
            stream,
            authority=f"localhost:{self.port}",
            scheme="https" if context else "http",
            codec=self.echo.codec,
            limits=limits,
        ) as channel:
            with trio.fail_after(WAIT_S):
                yield channel

    async def stop(self, grace_s: float | None) -> threading.Event:
        stopped: threading.Event = await trio.to_thread.run_sync(self.server.stop, grace_s)
        return stopped


@asynccontextmanager
async def calling(
    echo: EchoSchema,
    *,
    unary: Behave | None = None,
    down: Behave | None = None,
    up: Behave | None = None,
    both: Behave | None = None,
    options: Iterable[tuple[str, Any]] = (),
    certificates: Certificates | None = None,
) -> AsyncIterator[Calling]:
    """grpcio's server, behaving as given."""
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, options=[*options, ("grpc.so_reuseport", 0)])
        behaviors = {"Unary": unary, "Down": down, "Up": up, "Both": both}
        given = {name: behave for name, behave in behaviors.items() if behave is not None}
        servicer = type("Servicer", (), {name: staticmethod(b) for name, b in given.items()})
        for name in behaviors.keys() - given.keys():
            setattr(servicer, name, None)
        echo.stubs.add_EchoServicer_to_server(servicer, server)
        if certificates is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port(
                "127.0.0.1:0",
                grpc.ssl_server_credentials(
                    [(certificates.server_key_pem, certificates.server_pem)],
                    certificates.ca_pem,
                    require_client_auth=True,
                ),
            )
        server.start()
        try:
            yield Calling(echo, server, port, certificates)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(server.stop(None).wait, WAIT_S)


def echo_note(note: Any, context: Any) -> Any:
    return note


def echo_notes(notes: Iterator[Any], context: Any) -> Iterator[Any]:
    yield from notes


def count_down(note: Any, context: Any) -> Iterator[Any]:
    for number in range(note.count):
        yield type(note)(count=number, payload=bytes(note.size))


async def call_unary(calling: Calling, channel: Channel, note: Any, **kwargs: Any) -> Any:
    async with channel.request(calling.echo.unary, **kwargs) as stream:
        await stream.send_message(note, end=True)
        reply = await stream.recv_message()
    assert reply is not None
    return reply


async def receive(stream: ClientStream) -> Any:
    """The next message, which must come."""
    message = await stream.recv_message()
    assert message is not None
    return message

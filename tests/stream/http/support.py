"""The real app with a few routes for tests, on the real server, over sockets or in memory.

In memory a test runs in virtual time, so that limits can be met to the second.
"""

import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, Generic, TypeVar

import trio
from quart import Response, websocket

from derhead.access import AccessGate
from derhead.api import RestApp, TrustedHosts, create_app
from derhead.httpserver import HttpLimits, HttpServer, serve_http
from derproto.tls.tls_listener import TlsListener
from derproto.triogrpc.testing import MemoryNetwork, MemoryStream
from tests.support.api.fake_headend import FakeView
from tests.support.assets import fleet_of, make_loads
from tests.support.certificates import Certificates

Conn = TypeVar("Conn", bound=trio.abc.Stream)

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
HOSTS = ("x", "example.org")
"""What requests of these tests call the server."""
SLOW_S = 1.0
ANSWER_S, QUIET_S = 0.15, 0.02
"""Time that an attack waits for the first bytes of an answer, and for more after each piece."""


def make_app(
    view: FakeView | None = None,
    gate: AccessGate | None = None,
    trusted: TrustedHosts | None = None,
) -> RestApp:
    """The app, and ``/ws`` (echo), ``/firehose`` (bytes without end), ``/slow`` (``SLOW_S``)."""
    app = create_app(view or FakeView(), gate, trusted or TrustedHosts(HOSTS))

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    @app.get("/firehose")
    async def pour() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65536)

        return Response(pieces(), content_type="application/octet-stream")

    @app.get("/slow")
    async def think() -> Response:
        await trio.sleep(SLOW_S)
        return Response("thought", content_type="text/plain")

    return app


def large_view(count: int = 1_000) -> FakeView:
    """A fleet so large that the newest telemetry of all is some 300 kB."""
    view = FakeView()
    view.fleet = fleet_of(*make_loads(count))
    return view


@cache
def large_app() -> RestApp:
    """The app over ``large_view()``, made once for all tests that only read."""
    return make_app(large_view())


@dataclass
class Serving(Generic[Conn]):
    """A running server."""

    server: HttpServer
    stopping: trio.Event
    connect: Callable[[], Awaitable[Conn]]
    port: int = 0
    """Where it listens; 0 = in memory."""
    network: MemoryNetwork = field(default_factory=MemoryNetwork)
    """Where it listens as ``http``, below TLS."""
    ended: trio.Event = field(default_factory=trio.Event)


@asynccontextmanager
async def serve_on(
    limits: HttpLimits | None,
    app: RestApp,
    listener: trio.abc.Listener[trio.abc.Stream],
    connect: Callable[[], Awaitable[Conn]],
) -> AsyncIterator[Serving[Conn]]:
    """A server on that listener, for the block; whatever it raises fails the test."""
    stopping = trio.Event()

    async def serve(task_status: trio.TaskStatus[HttpServer]) -> None:
        await serve_http(app, [listener], limits=limits, stopping=stopping, task_status=task_status)
        running.ended.set()

    async with trio.open_nursery() as nursery:
        server: HttpServer = await nursery.start(serve)
        running = Serving(server, stopping, connect)
        yield running
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(
    limits: HttpLimits | None = None, app: RestApp | None = None
) -> AsyncIterator[Serving[trio.SocketStream]]:
    """As ``serve_on``, on a socket."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port: int = listener.socket.getsockname()[1]
    connect = partial(trio.open_tcp_stream, "127.0.0.1", port)
    async with serve_on(limits, app or make_app(), listener, connect) as running:
        running.port = port
        yield running


@asynccontextmanager
async def serving_in_memory(
    limits: HttpLimits | None = None, app: RestApp | None = None
) -> AsyncIterator[Serving[MemoryStream]]:
    """As ``serve_on``, in memory."""
    network = MemoryNetwork()
    connect = partial(network.connect, "http")
    async with serve_on(limits, app or make_app(), network.listen("http"), connect) as running:
        yield running


@asynccontextmanager
async def serving_over_tls(
    certificates: Certificates,
    limits: HttpLimits | None = None,
    app: RestApp | None = None,
    *,
    alpn: tuple[str, ...] = ("h2", "http/1.1"),
) -> AsyncIterator[Serving[trio.SSLStream[MemoryStream]]]:
    """As ``serving_in_memory``, over TLS; ``connect`` offers ``alpn`` and shakes hands."""
    network = MemoryNetwork()
    listener = TlsListener(network.listen("http"), lambda: certificates.server)
    client = certificates.client(alpn)

    async def connect() -> trio.SSLStream[MemoryStream]:
        stream = trio.SSLStream(
            await network.connect("http"),
            client,
            server_hostname="localhost",
            https_compatible=True,
        )
        await stream.do_handshake()
        return stream

    async with serve_on(limits, app or make_app(), listener, connect) as running:
        running.network = network
        yield running


@asynccontextmanager
async def serving_either(
    certificates: Certificates | None, app: RestApp | None = None
) -> AsyncIterator[Serving[Any]]:
    """In memory, over TLS if there are certificates."""
    if certificates is None:
        async with serving_in_memory(app=app) as plain:
            yield plain
    else:
        async with serving_over_tls(certificates, app=app) as secure:
            yield secure


def reset(stream: trio.SocketStream) -> None:
    """Closes with RST, not FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def receive(stream: trio.abc.ReceiveStream) -> bytes:
    """Some bytes; none if the server closed or reset the connection."""
    with contextlib.suppress(trio.BrokenResourceError):
        return bytes(await stream.receive_some(65536))
    return b""


async def receive_all(stream: trio.abc.ReceiveStream) -> bytes:
    """Everything until the server closes or resets the connection."""
    data = b""
    while piece := await receive(stream):
        data += piece
    return data


async def ask(stream: trio.abc.Stream, request: bytes) -> bytes:
    """Sends a request and receives one whole answer; what there is of it, if it is cut short."""
    await stream.send_all(request)
    data = b""
    while piece := await receive(stream):
        data += piece
        head, ended, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if ended and length is not None and len(body) >= int(length[1]):
            break
    return data


async def attack(port: int, request: bytes, *, with_reset: bool) -> None:
    """Sends the bytes, waits a moment for an answer, and goes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(request)
    with trio.move_on_after(ANSWER_S) as waiting:
        while await receive(stream):
            waiting.deadline = trio.current_time() + QUIET_S
    if with_reset:
        reset(stream)
    await stream.aclose()


async def is_healthy(port: int) -> bool:
    """Whether the server answers a plain request."""
    try:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            return (await ask(stream, HEALTH)).startswith(b"HTTP/1.1 200 ")
    except OSError:
        return False

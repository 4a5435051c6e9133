"""The real app, with a few routes for tests only, on the real server and real sockets."""

import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from quart import Response, websocket
from quart_trio import QuartTrio

from derhead.api import HttpLimits, HttpServer, create_app, serve_http
from tests.unit.api.fakes import FakeView

HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
ANSWER_S, QUIET_S = 0.15, 0.02
"""How long a malformed request waits for its first answer, and after each piece for more."""


def make_app(view: FakeView | None = None) -> QuartTrio:
    """The app, and ``/ws`` (echo), ``/firehose`` (bytes without end), ``/slow`` (in 0.5 s)."""
    app = create_app(view or FakeView())

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await websocket.send("echo:" + await websocket.receive())

    @app.get("/firehose")
    async def pour() -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            while True:
                yield bytes(65536)

        return Response(pieces(), content_type="application/octet-stream")

    @app.get("/slow")
    async def think() -> Response:
        await trio.sleep(0.5)
        return Response("thought", content_type="text/plain")

    return app


class Serving:
    """A running server."""

    def __init__(self, server: HttpServer, port: int, stopping: trio.Event) -> None:
        self.server = server
        self.port = port
        self.stopping = stopping
        self.ended = trio.Event()

    async def connect(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self.port)


@asynccontextmanager
async def serving(
    limits: HttpLimits | None = None, view: FakeView | None = None
) -> AsyncIterator[Serving]:
    """A server for the block; whatever it raises fails the test."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    stopping = trio.Event()

    async def serve(task_status: trio.TaskStatus[HttpServer]) -> None:
        await serve_http(
            make_app(view), listeners, limits=limits, stopping=stopping, task_status=task_status
        )
        running.ended.set()

    async with trio.open_nursery() as nursery:
        server: HttpServer = await nursery.start(serve)
        running = Serving(server, listeners[0].socket.getsockname()[1], stopping)
        yield running
        nursery.cancel_scope.cancel()


def reset(stream: trio.SocketStream) -> None:
    """Closes with RST, not FIN."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()


async def receive(stream: trio.SocketStream) -> bytes:
    """Some bytes; none if the server closed or reset the connection."""
    with contextlib.suppress(trio.BrokenResourceError):
        return bytes(await stream.receive_some(65536))
    return b""


async def receive_all(stream: trio.SocketStream) -> bytes:
    """Everything until the server closes or resets the connection."""
    data = b""
    while piece := await receive(stream):
        data += piece
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
            await stream.send_all(HEALTH)
            return (await receive(stream)).startswith(b"HTTP/1.1 200")
    except OSError:
        return False

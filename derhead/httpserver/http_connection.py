"""One HTTP connection: Hypercorn's protocol code on a Trio stream, with a bound on every wait.

Hypercorn's own connection class sends under a shield without end, and leaves connections
behind that nobody will close: after a refused WebSocket handshake, after a failed answer
to a pipelined request, or when quart-trio cancels a request while Hypercorn readies the
connection for the next one. Here a connection is one cancel scope: its deadline moves with
what the connection does, and whoever wants it closed cancels it.
"""

import socket
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState
from hypercorn.utils import parse_socket_addr

from derhead.httpserver.fast_lane import FastLane, find_free
from derhead.httpserver.http_app import AnswerCut
from derhead.httpserver.http_limits import HttpLimits
from derhead.httpserver.hypercorn_protocols import Protocols, ServerConfig
from derproto.base.runtime import shielded_for

RECEIVE_BYTES = 64 * 1024
"""Most that is read at once."""

SEND_BYTES = 64 * 1024
"""Piece of an answer that ``send_s`` is for."""

UNSENT_BYTES = 64 * 1024
"""Of an event stream that the kernel may keep, not sent yet: what it keeps is no longer news
when a slow client gets it, and without a bound that is megabytes."""

NOT_SENT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)

LINGER_S = 1.0
"""How long a closing connection reads away what still comes: closed over unread data, TCP
resets it, and the client may lose the answer."""


class Shields:
    """The shields of all connections, so that a stopping server can end them early."""

    def __init__(self) -> None:
        self._open: set[trio.CancelScope] = set()
        self._cut_at = float("inf")

    @contextmanager
    def open(self, seconds: float) -> Iterator[trio.CancelScope]:
        """A shield of at most so many seconds, fewer while the server stops."""
        with shielded_for(min(seconds, max(0.0, self._cut_at - trio.current_time()))) as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)

    def cut_after(self, seconds: float) -> None:
        """Ends all shields, present and future, so many seconds from now at the latest."""
        self._cut_at = min(self._cut_at, trio.current_time() + seconds)
        for scope in self._open:
            scope.deadline = min(scope.deadline, self._cut_at)


class ConnectionCounts(Protocol):
    """What a connection counts."""

    send_timeouts: int


class HttpConnection:
    """Serves one stream until either side ends it.

    ``app`` is any ASGI app; its lifespan is not run. What ``lane`` knows to answer does not
    reach it. A stream without a socket (in memory) has no client address.
    """

    def __init__(
        self,
        app: ASGIFramework,
        stream: trio.abc.Stream,
        *,
        lane: FastLane | None,
        config: ServerConfig,
        context: WorkerContext,
        limits: HttpLimits,
        shields: Shields,
        counters: ConnectionCounts,
    ) -> None:
        self._app = app
        self._stream = stream
        self._lane = lane
        self._config = config
        self._context = context
        self._limits = limits
        self._shields = shields
        self._counters = counters
        self._scope = trio.CancelScope()
        self._ending: set[trio.CancelScope] = set()
        self._send_lock = trio.Lock()
        self._send_s = limits.send_s
        self._idle = True
        self._answered = trio.Event()
        self._reads = True
        self._cut = False

    async def run(self) -> None:
        """Serves requests until the connection's end, and closes the stream.

        Raises: ExceptionGroup of whatever a malformed request made Hypercorn raise.
        Cancellation: ends requests at once; an answer's last bytes get a bounded moment.
        """
        self._set_idle(True)
        try:
            with self._scope:
                async with TaskGroup() as tasks:
                    await self._serve(tasks)
                    self._end()
        finally:
            await self._close()

    def finish(self) -> None:
        """Closes the connection now if it is idle, else after the answers on their way."""
        # Hypercorn looks at context.terminated before it readies a connection for more.
        if self._idle:
            self._end()

    async def _serve(self, tasks: TaskGroup) -> None:
        client, server = _addresses(self._stream)
        protocol = Protocols(
            self._run_app,
            self._config,
            self._context,
            tasks,
            ConnectionState({}),
            False,
            client,
            server,
            self._take,
            "http/1.1",
        )
        await protocol.initiate()
        data = b"?"
        while data:
            try:
                data = bytes(await self._stream.receive_some(RECEIVE_BYTES))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                break
            rest = await self._answer_fast(protocol, data)
            if rest or not data:
                await protocol.handle(RawData(rest))
        if self._reads and not data:
            # Who has said all may still listen: `nc -N` does. One that is gone resets us.
            await self._answered.wait()
        await protocol.handle(Closed())

    async def _answer_fast(self, wrapper: ProtocolWrapper, data: bytes) -> bytes:
        """Answers the requests that the data begins with, as far as the lane takes them.

        Returns what is left, for Hypercorn.
        """
        start = 0
        while (
            self._lane is not None
            and (protocol := find_free(wrapper)) is not None
            and (request := self._lane.find(data, start)) is not None
        ):
            self._idle = False
            self._scope.deadline = trio.current_time() + self._limits.send_s
            headers = self._config.response_headers("h11")
            await self._send_fast(await self._lane.answer(request, headers))
            protocol.keep_alive_requests += 1
            start = request.end
            self._set_idle(True)
        return data[start:]

    async def _send_fast(self, answer: bytes) -> None:
        """As ``_send``, without a lock and a scope of its own: a fifth of a request's time.

        Between Hypercorn's requests nobody else sends, or needs the connection's deadline.
        """
        pieces = memoryview(answer)
        try:
            await self._stream.send_all(pieces[:SEND_BYTES])
            for start in range(SEND_BYTES, len(pieces), SEND_BYTES):
                self._scope.deadline = trio.current_time() + self._limits.send_s
                await self._stream.send_all(pieces[start : start + SEND_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._drop()
        except trio.Cancelled:
            if trio.current_time() >= self._scope.deadline:
                self._counters.send_timeouts += 1
                self._reads = False
            raise

    # --- what the protocol wants ----------------------------------------------------

    async def _take(self, event: Event) -> None:
        match event:
            case RawData():
                await self._send(event.data)
            case Updated():
                self._set_idle(event.idle)
            case Closed():
                self._end()

    def _set_idle(self, idle: bool) -> None:
        self._idle = idle
        if idle:
            self._answered.set()
        elif self._answered.is_set():
            self._answered = trio.Event()
        wait_s = self._limits.idle_s if idle else self._limits.response_s
        self._scope.deadline = trio.current_time() + wait_s
        if idle and self._context.terminated.is_set():
            self._end()

    async def _send(self, data: bytes) -> None:
        async with self._send_lock:
            for start in range(0, len(data), SEND_BYTES):
                try:
                    with trio.move_on_after(self._send_s) as patience:
                        await self._stream.send_all(data[start : start + SEND_BYTES])
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._drop()
                    return
                if patience.cancelled_caught:
                    self._counters.send_timeouts += 1
                    self._drop()
                    return
                if not self._idle:
                    self._scope.deadline = trio.current_time() + self._limits.response_s

    def _drop(self) -> None:
        """Closes the connection to a client that does not read, or is gone."""
        self._reads = False
        self._end()

    def _cut_off(self) -> None:
        """Closes the connection so that its client sees an answer without an end for what it is:
        one whose length was not known would end with the stream, whole by its looks."""
        self._cut = True
        self._drop()

    def _end(self) -> None:
        """Cancels all that the connection does; an answer's end that nobody waits for, too."""
        self._scope.cancel()
        for shield in self._ending:
            shield.cancel()

    async def _run_app(
        self, scope: Any, receive: Any, send: Any, sync_spawn: Any, call_soon: Any
    ) -> None:
        begun = ended = streams = False
        multiplexed = scope.get("http_version") == "2"

        async def receive_noting() -> Any:
            nonlocal ended
            message = await receive()
            # What the client gave up need not be ended.
            ended = ended or message["type"] == "http.disconnect"
            return message

        async def send_whole(message: Any) -> None:
            nonlocal begun, ended, streams
            # Nothing more for a client that is gone: buffering it would be no checkpoint.
            await trio.lowlevel.checkpoint_if_cancelled()
            begun = True
            if message["type"] == "http.response.start" and _is_event_stream(message["headers"]):
                streams = True
                self._begin_stream()
            if message["type"] != "http.response.body" or message.get("more_body", False):
                if streams and multiplexed and message["type"] == "http.response.body":
                    await self._send_windowed(send, message)
                else:
                    await send(message)
                return
            ended = True
            # With an answer's last message Hypercorn readies the connection for the next
            # request, and tells the app that the client is gone: quart-trio then cancels
            # this very task, and half done the connection would wait for ever.
            with self._shields.open(self._limits.send_s) as shield:
                self._ending.add(shield)
                try:
                    await send(message)
                finally:
                    self._ending.discard(shield)
            if shield.cancelled_caught and not self._scope.cancel_called:
                self._counters.send_timeouts += 1
                self._drop()

        self._config.request_ids.enter(scope.get("headers", ()))
        try:
            await self._app(scope, receive_noting, send_whole)
        except* AnswerCut:
            pass
        finally:
            if begun and not ended and scope["type"] == "http":
                self._cut_off()

    def _begin_stream(self) -> None:
        """What is sent from now on is events: there may be none for long, and the newest count."""
        self._send_s = self._limits.stream_s
        # It has no end to be waited for: who closes the connection, or half of it, is gone.
        self._answered.set()
        if isinstance(self._stream, trio.SocketStream) and NOT_SENT is not None:
            self._stream.setsockopt(socket.IPPROTO_TCP, NOT_SENT, UNSENT_BYTES)

    async def _send_windowed(self, send: Any, message: Any) -> None:
        """Sends a part of an HTTP/2 answer within the window that its client gives.

        Where that is closed no byte waits in ``_send``, which would end it.
        """
        body = message["body"]
        for start in range(0, len(body), SEND_BYTES):
            with trio.move_on_after(self._send_s) as patience:
                await send({**message, "body": body[start : start + SEND_BYTES]})
            if patience.cancelled_caught:
                self._counters.send_timeouts += 1
                self._drop()
                return

    # --- the end --------------------------------------------------------------------

    async def _close(self) -> None:
        if self._reads and isinstance(self._stream, trio.abc.HalfCloseableStream):
            with self._shields.open(LINGER_S):
                try:
                    await self._stream.send_eof()
                    while await self._stream.receive_some(RECEIVE_BYTES):
                        pass
                except (trio.BrokenResourceError, trio.ClosedResourceError):
                    self._reads = False
        if self._cut and isinstance(self._stream, trio.SocketStream):
            # Closed so, TCP resets the connection.
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._stream)


def _is_event_stream(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(
        name.lower() == b"content-type" and value.startswith(b"text/event-stream")
        for name, value in headers
    )


Address = tuple[str, int] | None


def _addresses(stream: trio.abc.Stream) -> tuple[Address, Address]:
    """The client's and the server's address; None where there is none."""
    if not isinstance(stream, trio.SocketStream):
        return None, None
    family: int = stream.socket.family
    try:
        peer = stream.socket.getpeername()
    except OSError:
        # Reset before it was served; reading will say so.
        return None, None
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None, None
    own = stream.socket.getsockname()
    return parse_socket_addr(family, peer[:2]), parse_socket_addr(family, own[:2])

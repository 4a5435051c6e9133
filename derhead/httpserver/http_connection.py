"""One HTTP connection: Hypercorn's protocols on a Trio stream, with a bound on every wait.

Hypercorn's own connection class sends under a shield without a deadline. It also leaves some
connections open for ever: after a refused WebSocket handshake, after a failed answer to a
pipelined request, and when quart-trio cancels a request while Hypercorn prepares the connection
for the next one. Here each connection has one cancel scope. The scope's deadline moves with the
connection's work, and cancelling the scope closes the connection.
"""

import socket
import struct
from contextlib import suppress
from typing import Any, Protocol

import h11
import trio
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework, ConnectionState

from derhead.httpserver.app_call import AnswerRoom, AppCall
from derhead.httpserver.fast_lane import FastLane, find_free
from derhead.httpserver.http_bounds.held_answers import HeldAnswers
from derhead.httpserver.http_bounds.http_limits import HttpLimits
from derhead.httpserver.protocols.hypercorn_config import ServerConfig
from derhead.httpserver.protocols.hypercorn_http1 import refusal_text
from derhead.httpserver.protocols.hypercorn_protocols import Protocols
from derhead.httpserver.request_counts import RequestCounts
from derhead.httpserver.sender import SEND_BYTES, StreamSender
from derhead.httpserver.shields import Shields
from derhead.httpserver.stream_addresses import Address
from derhead.httpserver.tls_ends import (
    CleartextClient,
    choose_protocol,
    end_in_order,
    transport_of,
)
from derproto.configuration.kinds import Address as HostPort
from derproto.stdio.log_events import event_log
from derproto.triogrpc import HandshakeFailed

log = event_log(__name__)

RECEIVE_BYTES = 64 * 1024
"""Bytes that one read takes at most."""

UNSENT_BYTES = 64 * 1024
"""Bytes of an event stream that the kernel may hold unsent. By default it holds megabytes, and a
slow client would read old news."""

NOT_SENT: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)

LINGER_S = 1.0
"""Time that a closing connection reads and discards what still arrives."""


class ConnectionCounts(Protocol):
    """Counters that a connection increments."""

    send_timeouts: int
    handshakes_failed: int
    slow_heads: int
    slow_bodies: int

    @property
    def requests(self) -> RequestCounts: ...


class HttpConnection:
    """Serves one stream until either side ends it.

    ``app`` is any ASGI app; its lifespan does not run. ``lane`` answers some requests before the
    app sees them. ``addresses`` are those of the client and of the server.
    """

    def __init__(
        self,
        app: ASGIFramework,
        stream: trio.abc.Stream,
        addresses: tuple[Address, Address],
        *,
        lane: FastLane | None,
        config: ServerConfig,
        context: WorkerContext,
        limits: HttpLimits,
        shields: Shields,
        held: HeldAnswers,
        counts: ConnectionCounts,
    ) -> None:
        self._app = app
        self._stream = stream
        self._transport = transport_of(stream)
        self._addresses = addresses
        self._lane = lane
        self._config = config
        self._context = context
        self.limits = limits
        self.shields = shields
        self._counts = counts
        self._scope = trio.CancelScope()
        self.ending: set[trio.CancelScope] = set()
        self._sender = StreamSender(
            stream,
            limits.send_s,
            progressed=self._piece_sent,
            stalled=self.give_up_sending,
            lost=self._drop,
        )
        self._protocols: Protocols | None = None
        self._hands_over = False
        self.share = held.share(self._drop)
        self.room = AnswerRoom()
        self._idle = True
        self._answered = trio.Event()
        self._reads = True
        self._cut = False

    async def run(self) -> None:
        """Serves requests until the connection's end, and closes the stream.

        Raises: ExceptionGroup of the errors that a malformed request raised in Hypercorn.
        Cancellation: requests end at once; the last bytes of an answer get a bounded time.
        """
        self._set_idle(True)
        try:
            with self._scope:
                async with TaskGroup() as tasks:
                    await self._serve(tasks)
                    self._end()
            if self._idle and trio.current_time() >= self._scope.deadline:
                self._count_timeout()
        finally:
            self.share.leave()
            await self._close()

    def finish(self) -> None:
        """Closes an idle connection now, and a busy one after its answers."""
        # Hypercorn checks context.terminated before it prepares a connection for the next request.
        if self._idle:
            self._end()

    def _count_timeout(self) -> None:
        if self._protocols is None:
            self._counts.handshakes_failed += 1
        elif self._protocols.waits_for_head:
            self._counts.slow_heads += 1

    async def _serve(self, tasks: TaskGroup) -> None:
        chosen = await self._choose_protocol()
        if chosen is None:
            return
        client, server = self._addresses
        self._tasks = tasks
        protocol = self._protocols = Protocols(
            self._run_app,
            self._config,
            self._context,
            tasks,
            ConnectionState({}),
            isinstance(self._stream, trio.SSLStream),
            client,
            server,
            self._take,
            chosen,
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
            # A client that has finished sending may still read, as `nc -N` does. A lost one resets.
            await self._answered.wait()
        await protocol.handle(Closed())

    async def _choose_protocol(self) -> str | None:
        """The protocol to begin with; None if the TLS handshake failed."""
        # Until then an orderly end is not possible.
        self._reads = False
        try:
            chosen = await choose_protocol(self._stream)
        except HandshakeFailed as failed:
            self._counts.handshakes_failed += 1
            peer = self._addresses[0]
            log.info("TLS handshake failed", peer=peer and HostPort(*peer), reason=failed)
            if isinstance(failed, CleartextClient):
                advice = "this port speaks HTTPS only; write https:// in place of http://"
                answer = refusal_text(self._config, 400, advice, h11.Connection(h11.SERVER))
                self._reads = True
                with suppress(trio.BrokenResourceError):
                    await self._transport.send_all(answer)
            return None
        self._reads = True
        return chosen

    async def _answer_fast(self, wrapper: ProtocolWrapper, data: bytes) -> bytes:
        """Answers requests from the beginning of the data, as long as the lane takes them.

        Returns the rest, for Hypercorn.
        """
        start, server = 0, self._addresses[1]
        address = None if server is None else server[0]
        while (
            self._lane is not None
            and (protocol := find_free(wrapper)) is not None
            and (request := self._lane.find(data, start, address)) is not None
        ):
            self._idle = False
            began_s = trio.current_time()
            self._scope.deadline = began_s + self.limits.send_s
            headers = self._config.response_headers("h11")
            await self._send_fast(await self._lane.answer(request, headers))
            protocol.keep_alive_requests += 1
            start = request.end
            self._counts.requests.take_fast(trio.current_time() - began_s)
            self._set_idle(True)
        return data[start:]

    async def _send_fast(self, answer: bytes) -> None:
        """Sends like ``_send``, without a lock and a scope: they take a fifth of a request's time.

        Neither is needed: between requests of Hypercorn, no other task sends or moves the
        connection's deadline.
        """
        pieces = memoryview(answer)
        if len(answer) > SEND_BYTES:
            self.share.hold(len(answer), trio.current_time())
        try:
            await self._stream.send_all(pieces[:SEND_BYTES])
            for start in range(SEND_BYTES, len(pieces), SEND_BYTES):
                self.share.taken_at = trio.current_time()
                self._scope.deadline = self.share.taken_at + self.limits.send_s
                await self._stream.send_all(pieces[start : start + SEND_BYTES])
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            self._drop()
        except trio.Cancelled:
            if trio.current_time() >= self._scope.deadline:
                self._counts.send_timeouts += 1
                self._reads = False
            raise
        finally:
            if len(answer) > SEND_BYTES:
                self.share.release(len(answer), trio.current_time())

    # --- events from Hypercorn --------------------------------------------------------

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
        wait_s = self.limits.idle_s if idle else self.limits.response_s
        self._scope.deadline = trio.current_time() + wait_s
        if idle and self._context.terminated.is_set():
            self._end()

    async def _send(self, data: bytes) -> None:
        if not self.is_multiplexed:
            await self._sender.send(data)
            return
        if not self._hands_over:
            self._hands_over = True
            self._tasks.spawn(self._sender.run)
        await self._sender.hand_over(data)

    def _piece_sent(self) -> None:
        # Over HTTP/2 the piece may hold no answer, only replies to the client's own frames.
        if not self.is_multiplexed:
            self.note_progress()

    def note_progress(self) -> None:
        """Gives the client its full time for the next piece of an answer."""
        self.share.taken_at = trio.current_time()
        if not self._idle:
            self._scope.deadline = trio.current_time() + self.limits.response_s

    def give_up_sending(self) -> None:
        """Closes the connection to a client that does not take its answer."""
        self._counts.send_timeouts += 1
        self._drop()

    def _drop(self) -> None:
        """Closes the connection of a client that does not read or is gone."""
        self._reads = False
        self._end()

    def cut_off(self) -> None:
        """Resets the connection, so that the client notices an incomplete answer.

        An answer of unknown length ends where its connection ends: a plain close would make it
        look complete.
        """
        self._cut = True
        self._drop()

    def _end(self) -> None:
        """Cancels all work of the connection, the shielded ends of answers too."""
        self._scope.cancel()
        for shield in self.ending:
            shield.cancel()

    async def _run_app(
        self, scope: Any, receive: Any, send: Any, sync_spawn: Any, call_soon: Any
    ) -> None:
        self._config.request_ids.enter(scope.get("headers", ()))
        await AppCall(self, receive, send).run(self._app, scope)

    # --- what an AppCall needs ------------------------------------------------------

    @property
    def is_multiplexed(self) -> bool:
        """See ``Carrier``."""
        return self._protocols is not None and self._protocols.is_multiplexed

    @property
    def is_closing(self) -> bool:
        """See ``Carrier``."""
        return self._scope.cancel_called

    def note_answer(self, status: int, took_s: float | None) -> None:
        """See ``Carrier``."""
        self._counts.requests.take(status, took_s)
        self._counts.slow_bodies += status == 408

    def begin_stream(self) -> None:
        """Sets an event stream's time and buffer: its pauses are long, and only its news counts."""
        self._sender.wait_s = self.limits.stream_s
        # A stream has no end to wait for: a client that closes its sending side is gone.
        self._answered.set()
        if isinstance(self._transport, trio.SocketStream) and NOT_SENT is not None:
            self._transport.setsockopt(socket.IPPROTO_TCP, NOT_SENT, UNSENT_BYTES)

    # --- the end --------------------------------------------------------------------

    async def _close(self) -> None:
        if self._reads:
            with self.shields.open(LINGER_S):
                await end_in_order(self._stream, self._transport)
        if self._cut and isinstance(self._transport, trio.SocketStream):
            # With this option TCP resets the connection.
            self._transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self._transport)

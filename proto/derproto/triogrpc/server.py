"""The server: listeners, connections, and the border around each handler."""

import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import trio
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError, StreamTerminatedError
from grpclib.metadata import encode_grpc_message
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError as Http2Error

from derproto.triogrpc.call_scopes import CallScopes
from derproto.triogrpc.counters import Counters, ServerStatistics
from derproto.triogrpc.limits import LinkLimits, NewcomerLimits
from derproto.triogrpc.link import Link
from derproto.triogrpc.method import Method
from derproto.triogrpc.newcomers import Newcomers
from derproto.triogrpc.protocol import Headers, Stream
from derproto.triogrpc.request import Refusal, read_request
from derproto.triogrpc.server_stream import ServerStream
from derproto.triogrpc.shared import Shared
from derproto.triogrpc.waits import Flag

log = logging.getLogger(__name__)

Handler = Callable[[ServerStream], Awaitable[None]]

ACCEPT_RETRY_S = 0.1
"""Pause after an accept that failed, for want of file descriptors for instance."""

ACCEPT_QUIET_S = 10.0
"""After one such failure is logged, for how long the next ones only count."""

STOP_S = 1.0
"""After a drain's grace: for cancelled handlers to clean up and their clients to hear."""

SHUTTING_DOWN = "The server is shutting down"


class Server:
    """Serves rpcs on any Trio listeners, each connection behind a border of its own.

    No peer and no handler's exception leaves its connection: they are logged, counted,
    and end that call or that connection.
    """

    def __init__(
        self,
        handlers: Mapping[Method, Handler],
        *,
        codec: CodecBase,
        limits: LinkLimits | None = None,
    ) -> None:
        self._handlers = dict(handlers)
        self._methods = {method.path: method for method in handlers}
        self._codec = codec
        self._limits = limits or LinkLimits()
        self._counters = Counters()
        self._links: set[Link] = set()
        self._accepting = trio.CancelScope()
        # Connections whose handshake is under way, the oldest first.
        self._arriving: dict[Link, None] = {}
        self._arrived = Flag()
        newcomers = self._limits.newcomers or NewcomerLimits()
        self._newcomers = Newcomers[Link](newcomers.address_share)
        self._serving = False
        self._draining = False
        self._idle = Flag(True)

    async def serve(
        self,
        listeners: Iterable[trio.abc.Listener[Any]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accepts and serves until drained or cancelled. Once for each server.

        Resource handling: it owns the listeners from here on, and closes them.
        Error handling: an accept that fails is logged, counted and tried again; a
        listener that somebody closes is left.
        Cancellation: ends every connection at once.
        """
        if self._serving:
            raise RuntimeError("a Server serves once")
        self._serving = True
        shared = Shared(self._limits, reads=True)
        async with trio.open_nursery() as sharing:
            sharing.start_soon(shared.run)
            async with trio.open_nursery() as connections:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in listeners:
                            acceptors.start_soon(
                                self._accept_connections, listener, connections, shared
                            )
                        task_status.started()
            sharing.cancel_scope.cancel()

    async def drain(self, grace_s: float) -> None:
        """Ends the service in good order; ``serve`` returns after it.

        Stops accepting, tells clients by GOAWAY, refuses new calls with UNAVAILABLE.
        Calls that run get ``grace_s`` seconds, then their handlers are cancelled and
        their clients told UNAVAILABLE. Returns when no connection is left.
        """
        self._draining = True
        self._accepting.cancel()
        for link in self._links:
            link.drain()
        with trio.move_on_after(grace_s):
            await self._idle.wait()
            return
        for link in self._links:
            link.stop_calls(GRPCError(Status.UNAVAILABLE, SHUTTING_DOWN))
        with trio.move_on_after(STOP_S):
            await self._idle.wait()
            return
        for link in self._links:
            link.end("drained")
        await self._idle.wait()

    def statistics(self) -> ServerStatistics:
        """The counts up to now."""
        return self._counters.snapshot()

    # -- connections --------------------------------------------------------------------

    async def _accept_connections(
        self,
        listener: trio.abc.Listener[trio.abc.Stream],
        connections: trio.Nursery,
        shared: Shared,
    ) -> None:
        quiet_until = -math.inf
        async with listener:
            while True:
                try:
                    stream = await listener.accept()
                except trio.ClosedResourceError:
                    log.warning("a listener was closed")
                    return
                except OSError:
                    self._counters.errors["accept"] += 1
                    if trio.current_time() >= quiet_until:
                        log.exception("accept failed, trying again every %s s", ACCEPT_RETRY_S)
                        quiet_until = trio.current_time() + ACCEPT_QUIET_S
                    await trio.sleep(ACCEPT_RETRY_S)
                    continue
                try:
                    await self._make_room()
                except trio.Cancelled:
                    await trio.aclose_forcefully(stream)
                    raise
                if self._draining:
                    # It was there when the acceptors were told to stop.
                    await trio.aclose_forcefully(stream)
                    return
                if len(self._links) >= self._limits.max_connections and not self._clear_place():
                    self._counters.connections_refused += 1
                    await trio.aclose_forcefully(stream)
                    continue
                link = Link(
                    stream,
                    limits=self._limits,
                    counters=self._counters,
                    shared=shared,
                    serve_call=self._serve_call,
                    on_settled=self._note_arrived,
                    on_admitted=self._newcomers.remove,
                )
                if self._limits.newcomers is not None:
                    self._newcomers.add(link, link.peer.host)
                self._arriving[link] = None
                # Before the task runs, so that the bound holds.
                self._links.add(link)
                self._idle.clear()
                self._counters.connections_total += 1
                self._counters.connections_open += 1
                connections.start_soon(self._serve_connection, link)

    async def _make_room(self) -> None:
        """Until one more handshake may begin. No checkpoint if it may at once.

        Who is silent in a full house makes room after ``handshake_patience_s``: else a few
        sockets that say nothing would keep a fleet out.
        """
        while len(self._arriving) >= self._limits.max_handshakes:
            oldest = next(iter(self._arriving))
            self._arrived.clear()
            with trio.move_on_at(oldest.began_at + self._limits.handshake_patience_s):
                await self._arrived.wait()
                continue
            oldest.end("others wait to come in", "handshake")
            self._note_arrived(oldest)

    def _clear_place(self) -> bool:
        """Closes the newcomer that gives way to another connection; False if there is none."""
        link = self._newcomers.first_to_yield()
        if link is None:
            return False
        self._newcomers.remove(link)
        link.yield_place()
        return True

    def _note_arrived(self, link: Link) -> None:
        """Its handshake is over, well or not."""
        self._arriving.pop(link, None)
        self._arrived.set()

    async def _serve_connection(self, link: Link) -> None:
        try:
            await link.run()
        except* Exception as errors:  # the border: a fault of ours ends one connection
            self._counters.errors["connection"] += 1
            log.exception("connection with %s failed", link.peer, exc_info=errors)
        finally:
            self._links.discard(link)
            self._newcomers.remove(link)
            self._counters.connections_open -= 1
            if not self._links:
                self._idle.set()

    # -- calls --------------------------------------------------------------------------

    async def _serve_call(self, stream: Stream, headers: Headers) -> None:
        scopes = stream.scopes
        assert scopes is not None
        with scopes.whole:
            request = read_request(headers, self._methods, self._codec.__content_subtype__)
            if isinstance(request, Refusal):
                self._counters.errors["request"] += 1
                await _refuse(stream, request)
                return
            if self._draining:
                self._counters.streams_refused += 1
                await _refuse(stream, Refusal(200, Status.UNAVAILABLE, SHUTTING_DOWN))
                return
            call = ServerStream(
                stream,
                request.method,
                codec=self._codec,
                metadata=request.metadata,
                deadline=request.deadline,
                user_agent=request.user_agent,
            )
            if request.deadline is not None:
                scopes.work.deadline = request.deadline.at
            error = await self._run_handler(call, scopes)
            await call.finish(error)

    async def _run_handler(self, call: ServerStream, scopes: CallScopes) -> GRPCError | None:
        """Runs the handler of ``call``; how the call ends, None for OK."""
        raised: GRPCError | None = None
        with scopes.work:
            try:
                await self._handlers[call.method](call)
            except* Exception as group:  # noqa: BLE001 - logged by _judge, the border
                # Judged here, as a Cancelled beside them goes on past this function.
                raised = self._judge(call, group)
        if raised is not None:
            return raised
        if scopes.work.cancelled_caught:
            if scopes.stopped is not None:
                return scopes.stopped
            return GRPCError(Status.DEADLINE_EXCEEDED, "Deadline exceeded")
        if call.reply_missing and call.sendable:
            self._counters.errors["handler"] += 1
            log.error("handler of %s returned without a reply", call.method.path)
            return GRPCError(Status.UNKNOWN, "Internal Server Error")
        return None

    def _judge(self, call: ServerStream, group: ExceptionGroup[Exception]) -> GRPCError | None:
        """The status that the handler's exceptions come to; logs what is a fault."""
        status: GRPCError | None = None
        fault = False
        for error in _leaves(group):
            if isinstance(error, GRPCError):
                status = status or error
            elif isinstance(error, StreamTerminatedError) and not call.sendable:
                pass  # sending to a client that is gone is no fault
            else:
                fault = True
                self._counters.errors["handler"] += 1
                log.error("handler of %s failed", call.method.path, exc_info=error)
        if status is None and fault:
            return GRPCError(Status.UNKNOWN, "Internal Server Error")
        return status


async def _refuse(stream: Stream, refusal: Refusal) -> None:
    headers = [(":status", str(refusal.http_status))]
    if refusal.status is not None:
        headers.append(("content-type", "application/grpc"))
        headers.append(("grpc-status", str(refusal.status.value)))
    if refusal.message is not None:
        headers.append(("grpc-message", encode_grpc_message(refusal.message)))
    try:
        await stream.send_headers(headers, end_stream=True)
    except Http2Error:
        return
    if stream.closable:
        stream.reset_nowait(ErrorCodes.NO_ERROR)


def _leaves(group: ExceptionGroup[Exception]) -> Iterator[Exception]:
    for error in group.exceptions:
        if isinstance(error, ExceptionGroup):
            yield from _leaves(error)
        else:
            yield error

"""The server: its listeners, and a border around each connection."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import trio
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError

from derproto.stdio.log_events import event_log
from derproto.triogrpc.calls.handlers import SHUTTING_DOWN, Handler, Handlers
from derproto.triogrpc.connection.link import Link
from derproto.triogrpc.core.counters import Counters, ServerStatistics
from derproto.triogrpc.core.link_limits import LinkLimits, NewcomerLimits
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.core.newcomers import Newcomers
from derproto.triogrpc.core.waits import Flag
from derproto.triogrpc.sockets.shared import Shared

log = event_log(__name__)

ACCEPT_RETRY_S = 0.1
"""Pause after a failed accept, seconds; file descriptors may have run out."""

ACCEPT_QUIET_S = 10.0
"""Seconds after a failed accept was logged for which further failures are only counted."""

STOP_S = 1.0
"""Seconds after a drain's grace for cancelled handlers to clean up and tell their clients."""


class Server:
    """Serves rpcs on any Trio listeners, with a border around each connection.

    No exception that a peer or a handler causes leaves its connection. The server logs and counts
    it, and ends that call or that connection.
    """

    def __init__(
        self,
        handlers: Mapping[Method, Handler],
        *,
        codec: CodecBase,
        limits: LinkLimits | None = None,
    ) -> None:
        self._limits = limits or LinkLimits()
        self._counters = Counters()
        self._handlers = Handlers(handlers, codec, self._counters)
        self._links: set[Link] = set()
        self._accepting = trio.CancelScope()
        # Connections whose handshake is under way, the oldest first.
        self._arriving: dict[Link, None] = {}
        self._arrived = Flag()
        newcomers = self._limits.newcomers or NewcomerLimits()
        self._newcomers = Newcomers[Link](newcomers.address_share)
        self._serving = False
        self._shared: Shared | None = None
        self._idle = Flag(True)

    async def serve(
        self,
        listeners: Iterable[trio.abc.Listener[Any]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accepts and serves until drained or cancelled. May be called once.

        Resource handling: owns the listeners from here on, and closes them.
        Error handling: a failed accept is logged, counted and tried again; a closed listener is
        given up.
        Cancellation: ends every connection at once.
        """
        if self._serving:
            raise RuntimeError("a Server serves once")
        self._serving = True
        shared = self._shared = Shared(self._limits, reads=True)
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

        Stops accepting, sends GOAWAY, and refuses new calls with UNAVAILABLE. Open calls get
        ``grace_s`` seconds; then their handlers are cancelled and their clients get UNAVAILABLE.
        Returns when no connection is left.
        """
        self._handlers.draining = True
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
        unfinished = 0 if self._shared is None else self._shared.reassembly.held_bytes
        return self._counters.snapshot(unfinished)

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
                    log.warning("listener was closed")
                    return
                except OSError:
                    self._counters.errors["accept"] += 1
                    if trio.current_time() >= quiet_until:
                        log.exception("accept failed", retry_in_s=ACCEPT_RETRY_S)
                        quiet_until = trio.current_time() + ACCEPT_QUIET_S
                    await trio.sleep(ACCEPT_RETRY_S)
                    continue
                try:
                    await self._make_room()
                except trio.Cancelled:
                    await trio.aclose_forcefully(stream)
                    raise
                if self._handlers.draining:
                    # The connection arrived before the acceptors were told to stop.
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
                    serve_call=self._handlers.serve,
                    on_settled=self._note_arrived,
                    on_admitted=self._newcomers.remove,
                )
                if self._limits.newcomers is not None:
                    self._newcomers.add(link, link.peer.host)
                self._arriving[link] = None
                # Counted before the task runs, so that the bound holds.
                self._links.add(link)
                self._idle.clear()
                self._counters.connections_total += 1
                self._counters.connections_open += 1
                connections.start_soon(self._serve_connection, link)

    async def _make_room(self) -> None:
        """Waits until one more handshake may begin. No checkpoint if it may at once.

        When all places are taken, a silent peer loses its place after ``handshake_patience_s``:
        otherwise a few silent sockets would keep a fleet out.
        """
        while len(self._arriving) >= self._limits.max_handshakes:
            oldest = next(iter(self._arriving))
            self._arrived.clear()
            with trio.move_on_at(oldest.began_at + self._limits.handshake_patience_s):
                await self._arrived.wait()
                continue
            oldest.end("other connections need its place", "handshake")
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
        """Notes that a handshake has succeeded or failed."""
        self._arriving.pop(link, None)
        self._arrived.set()

    async def _serve_connection(self, link: Link) -> None:
        try:
            await link.run()
        except* Exception as errors:  # the border: a fault of ours ends one connection
            self._counters.errors["connection"] += 1
            log.error("connection failed", peer=link.peer, exc_info=errors)
        finally:
            self._links.discard(link)
            self._newcomers.remove(link)
            self._counters.connections_open -= 1
            if not self._links:
                self._idle.set()

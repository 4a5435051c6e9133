"""The tasks that all connections of one server share; a client's connection has its own.

One task reads sockets, one sends, one looks for silent peers. They call into connections, and
each connection (``Link``) contains its own errors in these calls.
"""

import math
import select
from collections.abc import Callable

import trio

from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.reassembly import ReassemblyPool
from derproto.triogrpc.sockets.reading import SharedReader, others_first
from derproto.triogrpc.sockets.transport import SharedWriter

LOOK_S = 0.25
"""Shortest time between two looks for silent peers, seconds."""

Look = Callable[[float], None]


class Attended:
    """When a connection was last heard and last sent a PING, for the keepalive task: pure.

    ``heard_at`` is set whenever bytes arrive.
    """

    __slots__ = ("asked_at", "heard_at", "keepalive_s", "timeout_s")

    def __init__(self, now: float, *, keepalive_s: float, timeout_s: float) -> None:
        self.heard_at = now
        self.asked_at = -math.inf
        self.keepalive_s = keepalive_s
        self.timeout_s = timeout_s

    @property
    def due_at(self) -> float:
        """When the keepalive task must act, if nothing is heard until then."""
        if self.asked_at > self.heard_at:
            return self.asked_at + self.timeout_s
        return self.heard_at + self.keepalive_s

    def ask(self, now: float) -> None:
        """Notes that the peer was sent a PING."""
        self.asked_at = now

    def is_gone(self, now: float) -> bool:
        """Whether the peer was sent a PING and did not answer in time."""
        return self.asked_at > self.heard_at and now >= self.due_at

    def is_silent(self, now: float) -> bool:
        """Whether the peer should be sent a PING."""
        return self.asked_at <= self.heard_at and now >= self.due_at


class Shared:
    """Reader, writer and keepalive for any number of connections.

    With ``reads``, and where the system has ``epoll``, sockets are read by one shared task. Else
    each connection reads its own.
    """

    def __init__(self, limits: LinkLimits, *, reads: bool) -> None:
        self._keepalive_time_s = limits.keepalive_time_s
        self.reassembly = ReassemblyPool(limits.max_reassembly_bytes)
        self.writer = SharedWriter()
        self.further_turns = trio.Lock()
        self.reader = SharedReader() if reads and hasattr(select, "epoll") else None
        self._attended: dict[Attended, Look] = {}

    async def run(self) -> None:
        """Serves its connections until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.writer.run)
            if self.reader is not None:
                nursery.start_soon(self.reader.run)
            nursery.start_soon(self._keep_alive)

    def attend(self, attended: Attended, look: Look) -> None:
        """Calls ``look`` with the time whenever ``attended`` is due."""
        self._attended[attended] = look

    def leave(self, attended: Attended) -> None:
        """Forgets a connection that is over."""
        self._attended.pop(attended, None)

    async def caught_up(self) -> None:
        """Waits until all bytes that arrived before this call are taken.

        A caller that judges a peer's silence needs it: the loop may have been late, not the peer.
        """
        if self.reader is not None:
            await self.reader.caught_up()
        # For connections that read in tasks of their own.
        await others_first()

    async def _keep_alive(self) -> None:
        looked_at = -math.inf
        while True:
            # A connection that arrives meanwhile is not due before this.
            latest = trio.current_time() + self._keepalive_time_s
            due_at = min((attended.due_at for attended in self._attended), default=latest)
            await trio.sleep_until(max(min(due_at, latest), looked_at + LOOK_S))
            await self.caught_up()
            looked_at = trio.current_time()
            for attended, look in tuple(self._attended.items()):
                if looked_at >= attended.due_at:
                    look(looked_at)

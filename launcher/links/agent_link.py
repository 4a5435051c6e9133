"""The link of one agent: a relay on loopback that can make the link bad.

AgentLink.serve
└ relay          for each connection:
  ├ _take        reads what an end sends
  └ _give        sends it on, as late and as slowly as the faults in force say

Faults add up. They never reorder bytes, since TCP does not.
"""

import socket
import struct
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import trio

from launcher.links.corruption import Corruption

CHUNK = 16_384
"""Most bytes that the relay reads at once."""
CHUNKS_ON_THE_WAY = 64
"""Chunks of one direction of a connection that wait in the relay. When full, the relay reads no
more, so that the sender is held back as by a slow network."""
PIECE_S = 0.1
"""Time that a throttled link takes for one piece of a chunk, seconds."""

LOST = (trio.BrokenResourceError, trio.ClosedResourceError)


@dataclass(eq=False)
class RelayedPair:
    """One connection: its agent's half and its headend's half."""

    agent: trio.abc.Stream
    headend: trio.abc.Stream
    deaf: bool = False
    """The headend's half is gone; the agent's half stays open and silent."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class AgentLink:
    """Relays the connections of one agent to the headend, which ``dial`` reaches.

    ``dial`` raises OSError while the headend is away; the agent's connection then ends.
    """

    def __init__(self, dial: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        self._dial = dial
        self._pairs: set[RelayedPair] = set()
        self._cuts = 0
        self._holes = 0
        self._flowing = trio.Event()
        self._flowing.set()
        self._delays_s: list[float] = []
        self._rates: list[float] = []
        self._rate_changed = trio.Event()
        self._corruptions: list[Corruption] = []
        self.port = 0
        """The port of loopback on which ``serve`` listens."""

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Relays until cancelled; started once it listens on ``port``.

        Cancellation: ends all connections.
        """
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self.relay, listeners)

    # --- faults -------------------------------------------------------------------------

    @contextmanager
    def delay(self, seconds: float) -> Iterator[None]:
        """Lets every byte arrive that much later, in the block."""
        self._delays_s.append(seconds)
        try:
            yield
        finally:
            self._delays_s.remove(seconds)

    @contextmanager
    def throttle(self, bytes_per_s: float) -> Iterator[None]:
        """Lets at most so many bytes a second pass, in each direction of each connection."""
        self._rates.append(bytes_per_s)
        self._note_rate()
        try:
            yield
        finally:
            self._rates.remove(bytes_per_s)
            self._note_rate()

    @contextmanager
    def corrupt(self, corruption: Corruption) -> Iterator[None]:
        """Changes bytes in the block."""
        self._corruptions.append(corruption)
        try:
            yield
        finally:
            self._corruptions.remove(corruption)

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Ends every connection, and refuses new ones in the block."""
        self._cuts += 1
        self._cancel_pairs()
        try:
            yield
        finally:
            self._cuts -= 1

    @contextmanager
    def blackhole(self) -> Iterator[None]:
        """Holds every byte back in the block, and tells neither end.

        Afterwards the bytes arrive, as TCP's repetitions would, unless an end has given up.
        Connections that began in the block are reset after it: their first packets were lost.
        """
        self._holes += 1
        if self._holes == 1:
            self._flowing = trio.Event()
        try:
            yield
        finally:
            self._holes -= 1
            if self._holes == 0:
                self._flowing.set()

    async def half_open(self) -> None:
        """Ends the headend's half of every connection, without a word to the agent's half."""
        for pair in list(self._pairs):
            if not pair.deaf:
                pair.deaf = True
                await pair.headend.aclose()

    def reset(self) -> None:
        """Resets every connection at both ends."""
        for pair in self._pairs:
            _abort(pair.agent)
            if not pair.deaf:
                _abort(pair.headend)
        self._cancel_pairs()

    def _cancel_pairs(self) -> None:
        for pair in self._pairs:
            pair.scope.cancel()

    def _note_rate(self) -> None:
        self._rate_changed.set()
        self._rate_changed = trio.Event()

    # --- relaying -----------------------------------------------------------------------

    async def relay(self, agent: trio.abc.Stream) -> None:
        """Relays one connection until an end or a fault ends it."""
        async with agent:
            if self._cuts:
                _abort(agent)
                return
            if self._holes:
                await self._swallow(agent)
                return
            try:
                headend = await self._dial()
            except OSError:
                return
            pair = RelayedPair(agent, headend)
            self._pairs.add(pair)
            try:
                async with headend:
                    with pair.scope:
                        await self._join(pair)
            finally:
                self._pairs.discard(pair)

    async def _swallow(self, agent: trio.abc.Stream) -> None:
        """Discards what a new connection sends, until it gives up or the link carries again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._abort_once_flowing, agent, nursery.cancel_scope)
            try:
                while await agent.receive_some(CHUNK):
                    pass
            except LOST:
                pass
            nursery.cancel_scope.cancel()

    async def _abort_once_flowing(self, agent: trio.abc.Stream, scope: trio.CancelScope) -> None:
        await self._flowing.wait()
        _abort(agent)
        scope.cancel()

    async def _join(self, pair: RelayedPair) -> None:
        async with trio.open_nursery() as nursery:
            for source, sink in ((pair.agent, pair.headend), (pair.headend, pair.agent)):
                taken, given = trio.open_memory_channel[tuple[float, bytes]](CHUNKS_ON_THE_WAY)
                nursery.start_soon(self._take, source, taken)
                nursery.start_soon(self._give, pair, given, sink)

    async def _take(
        self, source: trio.abc.Stream, taken: trio.MemorySendChannel[tuple[float, bytes]]
    ) -> None:
        due_s = 0.0
        async with taken:
            try:
                while chunk := await source.receive_some(CHUNK):
                    due_s = max(due_s, trio.current_time() + sum(self._delays_s))
                    await taken.send((due_s, bytes(chunk)))
            except LOST:
                pass

    async def _give(
        self,
        pair: RelayedPair,
        given: trio.MemoryReceiveChannel[tuple[float, bytes]],
        sink: trio.abc.Stream,
    ) -> None:
        async for due_s, chunk in given:
            await self._flowing.wait()
            await trio.sleep_until(due_s)
            # Nobody hears what an agent sends to a headend's half that is gone.
            if pair.deaf:
                continue
            for corruption in self._corruptions:
                chunk = corruption.apply(chunk)
            try:
                await self._send(sink, chunk)
            except LOST:
                if not pair.deaf:
                    break
        # Nobody tells an agent that the headend's half is gone: only the agent ends the pair.
        if not (pair.deaf and sink is pair.agent):
            pair.scope.cancel()

    async def _send(self, sink: trio.abc.Stream, chunk: bytes) -> None:
        left = memoryview(chunk)
        while left:
            rate = min(self._rates, default=None)
            if rate is None:
                await sink.send_all(left)
                return
            piece, left = left[: max(1, int(rate * PIECE_S))], left[max(1, int(rate * PIECE_S)) :]
            changed = self._rate_changed
            await sink.send_all(piece)
            with trio.move_on_after(len(piece) / rate):
                await changed.wait()


def _abort(stream: trio.abc.Stream) -> None:
    """Makes the close of a socket a reset, which discards what was not sent."""
    if isinstance(stream, trio.SocketStream):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

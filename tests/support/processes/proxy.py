"""A TCP relay between agents and headend that can make the link bad, in the test's own loop.

It cuts connections and refuses new ones, delays bytes, and loses one half of a connection
without telling the other. A NAT that forgets, a pulled cable and a dead switch do the same.
"""

import random
from dataclasses import dataclass, field

import trio

CHUNK = 16_384
"""Most bytes that wait in the relay, for each direction of a connection."""


@dataclass(eq=False)
class Pair:
    """One relayed connection: its agent's half and its headend's half."""

    agent: trio.SocketStream
    headend: trio.SocketStream
    deaf: bool = False
    """The headend's half is gone; the agent's half stays open and silent."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Proxy:
    """Relays every connection to one port of loopback."""

    def __init__(self, headend_port: int) -> None:
        self._headend_port = headend_port
        self._pairs: set[Pair] = set()
        self._refusing = 0
        self._stalls = 0
        self._flowing = trio.Event()
        self._flowing.set()
        self.port = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Relays until cancelled; started once it listens on ``port``."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._relay, listeners)

    # --- harms ------------------------------------------------------------------------

    async def cut(self, for_s: float) -> None:
        """Ends every connection, and refuses new ones for a while."""
        self._refusing += 1
        try:
            for pair in self._pairs:
                pair.scope.cancel()
            await trio.sleep(for_s)
        finally:
            self._refusing -= 1

    async def stall(self, for_s: float) -> None:
        """Holds every byte back for a while, both ways; then delivers all of them."""
        self._stalls += 1
        self._flowing = self._flowing if self._stalls > 1 else trio.Event()
        try:
            await trio.sleep(for_s)
        finally:
            self._stalls -= 1
            if self._stalls == 0:
                self._flowing.set()

    async def half_open(self, rng: random.Random) -> None:
        """Drops the headend's half of one connection without telling its agent."""
        pairs = [pair for pair in self._pairs if not pair.deaf]
        if pairs:
            pair = rng.choice(pairs)
            pair.deaf = True
            await pair.headend.aclose()

    # --- relaying ---------------------------------------------------------------------

    async def _relay(self, agent: trio.SocketStream) -> None:
        async with agent:
            if self._refusing:
                return
            try:
                headend = await trio.open_tcp_stream("127.0.0.1", self._headend_port)
            except OSError:
                return
            pair = Pair(agent, headend)
            self._pairs.add(pair)
            try:
                async with headend:
                    with pair.scope:
                        await self._join(pair)
            finally:
                self._pairs.discard(pair)

    async def _join(self, pair: Pair) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, pair, pair.agent, pair.headend)
            nursery.start_soon(self._pump, pair, pair.headend, pair.agent)

    async def _pump(self, pair: Pair, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            while chunk := await source.receive_some(CHUNK):
                await self._flowing.wait()
                await sink.send_all(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if not pair.deaf:
            pair.scope.cancel()
        elif source is pair.agent:
            # Nobody tells the agent: only the agent's own end of the connection ends the pair.
            await self._swallow(pair)
            pair.scope.cancel()

    async def _swallow(self, pair: Pair) -> None:
        """Discards what the agent sends until it ends the connection."""
        try:
            while await pair.agent.receive_some(CHUNK):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

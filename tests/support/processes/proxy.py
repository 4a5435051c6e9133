"""A TCP relay before the headend that can make the link bad: for agents, and for browsers.

It cuts connections and refuses new ones, delays bytes, loses answers, and loses one half of a
connection without telling the other. A NAT that forgets, a pulled cable and a dead switch do
the same. ``Proxy`` runs in the test's own loop, ``proxy_in_thread`` beside a test without one.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import trio

CHUNK = 16_384
"""Most bytes that wait in the relay, for each direction of a connection."""


POSTGRES_SOCKET = ".s.PGSQL.5432"
"""The name of the socket in the folder that a DSN names as its host."""


@dataclass(eq=False)
class Pair:
    """One relayed connection: its client's half and its headend's half."""

    client: trio.SocketStream
    headend: trio.SocketStream
    deaf: bool = False
    """The headend's half is gone; the client's half stays open and silent."""
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)


class Proxy:
    """Relays every connection to one port of loopback."""

    def __init__(self, headend_port: int) -> None:
        self._headend_port = headend_port
        self._pairs: set[Pair] = set()
        self._refusing = 0
        self._losing_answers = 0
        self._stalls = 0
        self._flowing = trio.Event()
        self._flowing.set()
        self.port = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Relays until cancelled; started once it listens on ``port``."""
        listeners = await self._listen()
        task_status.started()
        await trio.serve_listeners(self._relay, listeners)

    async def _listen(self) -> list[trio.SocketListener]:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        return listeners

    async def _dial(self) -> trio.SocketStream:
        return await trio.open_tcp_stream("127.0.0.1", self._headend_port)

    # --- harms ------------------------------------------------------------------------

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Ends every connection, and refuses new ones in the block."""
        self._refusing += 1
        for pair in self._pairs:
            pair.scope.cancel()
        try:
            yield
        finally:
            self._refusing -= 1

    @contextmanager
    def stall(self) -> Iterator[None]:
        """Holds every byte back in the block, both ways; then delivers all of them."""
        self._stalls += 1
        self._flowing = self._flowing if self._stalls > 1 else trio.Event()
        try:
            yield
        finally:
            self._stalls -= 1
            if self._stalls == 0:
                self._flowing.set()

    @contextmanager
    def lose_answers(self) -> Iterator[None]:
        """Drops what the headend sends in the block, with its connection."""
        self._losing_answers += 1
        try:
            yield
        finally:
            self._losing_answers -= 1

    async def half_open(self, rng: random.Random) -> None:
        """Drops the headend's half of one connection without telling its client."""
        pairs = [pair for pair in self._pairs if not pair.deaf]
        if pairs:
            pair = rng.choice(pairs)
            pair.deaf = True
            await pair.headend.aclose()

    # --- relaying ---------------------------------------------------------------------

    async def _relay(self, client: trio.SocketStream) -> None:
        async with client:
            if self._refusing:
                return
            try:
                headend = await self._dial()
            except OSError:
                return
            pair = Pair(client, headend)
            self._pairs.add(pair)
            try:
                async with headend:
                    with pair.scope:
                        await self._join(pair)
            finally:
                self._pairs.discard(pair)

    async def _join(self, pair: Pair) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, pair, pair.client, pair.headend)
            nursery.start_soon(self._pump, pair, pair.headend, pair.client)

    async def _pump(self, pair: Pair, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        try:
            while chunk := await source.receive_some(CHUNK):
                await self._flowing.wait()
                if self._losing_answers and source is pair.headend:
                    break
                await sink.send_all(chunk)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        if not pair.deaf:
            pair.scope.cancel()
        elif source is pair.client:
            # Nobody tells the client: only its own end of the connection ends the pair.
            await self._swallow(pair)
            pair.scope.cancel()

    async def _swallow(self, pair: Pair) -> None:
        """Discards what the client sends until it ends the connection."""
        try:
            while await pair.client.receive_some(CHUNK):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass


class PostgresProxy(Proxy):
    """Relays connections to a PostgreSQL that listens in a folder, from another folder."""

    def __init__(self, server: Path, folder: Path) -> None:
        super().__init__(0)
        self._server = server / POSTGRES_SOCKET
        self._path = folder / POSTGRES_SOCKET

    async def _listen(self) -> list[trio.SocketListener]:
        listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
        await listening.bind(str(self._path))
        listening.listen()
        return [trio.SocketListener(listening)]

    async def _dial(self) -> trio.SocketStream:
        return await trio.open_unix_socket(str(self._server))


@dataclass
class ThreadedProxy:
    """A proxy in another thread's loop, and its harms."""

    port: int
    _proxy: Proxy
    _in_loop: Callable[..., None]

    def cut(self) -> AbstractContextManager[None]:
        return self._harm(self._proxy.cut())

    def stall(self) -> AbstractContextManager[None]:
        return self._harm(self._proxy.stall())

    def lose_answers(self) -> AbstractContextManager[None]:
        return self._harm(self._proxy.lose_answers())

    @contextmanager
    def _harm(self, harm: AbstractContextManager[None]) -> Iterator[None]:
        self._in_loop(harm.__enter__)
        try:
            yield
        finally:
            self._in_loop(harm.__exit__, None, None, None)


@contextmanager
def proxy_in_thread(to: int | Proxy) -> Iterator[ThreadedProxy]:
    """A proxy that relays for as long as the block runs, in a thread of its own.

    ``to``: the headend's port, or a proxy that is not running yet.
    """
    proxy = to if isinstance(to, Proxy) else Proxy(to)
    scope, listening = trio.CancelScope(), threading.Event()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def relay() -> None:
        with scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(proxy.run)
                tokens.append(trio.lowlevel.current_trio_token())
                listening.set()

    thread = threading.Thread(target=trio.run, args=(relay,), daemon=True)
    thread.start()
    assert listening.wait(10), "the proxy does not listen"
    in_loop = partial(trio.from_thread.run_sync, trio_token=tokens[0])
    try:
        yield ThreadedProxy(proxy.port, proxy, in_loop)
    finally:
        in_loop(scope.cancel)
        thread.join(10)

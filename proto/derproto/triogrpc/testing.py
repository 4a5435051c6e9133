"""A network in memory, to run real servers and clients without sockets.

Only Trio's clock and scheduler matter: under ``trio.testing.MockClock`` hours pass in milliseconds.
Buffers are bounded like a socket's, so that flow control is exercised.
"""

import errno
import math
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import trio
from grpclib.encoding.base import CodecBase

from derproto.triogrpc.calls.handlers import Handler
from derproto.triogrpc.channel import Channel, connect
from derproto.triogrpc.core.background import background_nursery
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.method import Method
from derproto.triogrpc.server import Server
from derproto.triogrpc.sockets.memory_stream import (
    BUFFER_BYTES,
    FAST,
    MemoryStream,
    Path,
    memory_pair,
)

__all__ = [
    "BACKLOG",
    "BUFFER_BYTES",
    "FAST",
    "MemoryListener",
    "MemoryNetwork",
    "MemoryStream",
    "Path",
    "memory_channel",
    "memory_pair",
]

BACKLOG = 1024
"""Connections that wait to be accepted. Beyond it ``connect`` waits."""


class MemoryListener(trio.abc.Listener[MemoryStream]):
    """Accepts the connections to one name of a ``MemoryNetwork``."""

    def __init__(self, network: "MemoryNetwork", name: str) -> None:
        self._network = network
        self.name = name
        self._send, self._receive = trio.open_memory_channel[MemoryStream](BACKLOG)

    async def accept(self) -> MemoryStream:
        """The next connection. Raises: trio.ClosedResourceError after ``aclose``."""
        return await self._receive.receive()

    async def aclose(self) -> None:
        """Stops listening; connections that wait to be accepted are cut."""
        self._network._forget(self)
        while True:
            try:
                self._receive.receive_nowait().cut()
            except (trio.WouldBlock, trio.EndOfChannel, trio.ClosedResourceError):
                break
        self._receive.close()
        self._send.close()
        await trio.lowlevel.checkpoint()


class MemoryNetwork:
    """Names instead of addresses, and faults on demand."""

    def __init__(self) -> None:
        self._listeners: dict[str, MemoryListener] = {}
        self._streams: dict[str, list[MemoryStream]] = {}
        self._refused: set[str] = set()
        self._stalled: set[str] = set()
        self._paths: dict[str, Path] = {}
        self._stall_changed = trio.lowlevel.ParkingLot()
        self._connections = 0

    def listen(self, name: str) -> MemoryListener:
        """Listens to ``name``, for ``Server.serve``. A closed listener frees its name.

        Raises: OSError(EADDRINUSE).
        """
        if name in self._listeners:
            raise _os_error(errno.EADDRINUSE, name)
        listener = self._listeners[name] = MemoryListener(self, name)
        return listener

    async def connect(self, name: str) -> MemoryStream:
        """A connection to the listener of ``name``. Waits while the name is stalled.

        Raises: OSError(ECONNREFUSED) if nobody listens, or after ``refuse``.
        """
        await trio.lowlevel.checkpoint()
        while name in self._stalled:
            await self._stall_changed.park()
        listener = self._listeners.get(name)
        if listener is None or name in self._refused:
            raise _os_error(errno.ECONNREFUSED, name)
        self._connections += 1
        client, server = memory_pair(f"memory:{self._connections}", f"memory:{name}")
        client.take_path(self._paths.get(name, FAST))
        try:
            await listener._send.send(server)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise _os_error(errno.ECONNREFUSED, name) from None
        streams = self._streams.setdefault(name, [])
        streams[:] = [stream for stream in streams if not stream.closed]
        streams.append(client)
        if name in self._stalled:
            client.stall(True)
        return client

    def cut(self, name: str) -> None:
        """Cuts every open connection to ``name`` and loses the bytes on their way: sending and
        receiving raise BrokenResourceError at both ends."""
        for stream in self._streams.pop(name, ()):
            stream.cut()

    def refuse(self, name: str, refused: bool) -> None:
        """Sets whether ``connect`` is refused in spite of a listener. Open connections stay."""
        (self._refused.add if refused else self._refused.discard)(name)

    def stall(self, name: str, stalled: bool) -> None:
        """Holds back all bytes of connections to ``name``, both ways, EOF too, or lets them flow
        again, in order. New connections wait as well."""
        (self._stalled.add if stalled else self._stalled.discard)(name)
        for stream in self._streams.get(name, ()):
            stream.stall(stalled)
        self._stall_changed.unpark_all()

    def lose(self, name: str) -> None:
        """Loses all bytes of the open connections to ``name``, both ways, from now on. Both ends
        still look open, as after a NAT has forgotten them; new connections are well."""
        for stream in self._streams.pop(name, ()):
            stream.lose()

    def take_path(self, name: str, path: Path) -> None:
        """Sets how fast bytes to and from ``name`` are, of new connections too."""
        self._paths[name] = path
        for stream in self._streams.get(name, ()):
            stream.take_path(path)

    def _forget(self, listener: MemoryListener) -> None:
        if self._listeners.get(listener.name) is listener:
            del self._listeners[listener.name]


def _os_error(number: int, name: str) -> OSError:
    return OSError(number, os.strerror(number), name)


@asynccontextmanager
async def memory_channel(
    handlers: Mapping[Method, Handler],
    *,
    codec: CodecBase,
    limits: LinkLimits | None = None,
    client_limits: LinkLimits | None = None,
) -> AsyncIterator[Channel]:
    """A channel to a server with ``handlers``, both in this process, while the block runs."""
    network = MemoryNetwork()
    server = Server(handlers, codec=codec, limits=limits)
    async with background_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("server")])
        stream = await network.connect("server")
        async with connect(
            stream, authority="server", codec=codec, limits=client_limits or limits
        ) as channel:
            yield channel
        await server.drain(math.inf)

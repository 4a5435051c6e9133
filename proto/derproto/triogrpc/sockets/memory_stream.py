"""Connections in memory for tests: bounded like sockets, and failing on demand."""

import math
import operator
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import trio

BUFFER_BYTES = 64 * 1024
"""Bytes of one direction that were sent and not received. Beyond it senders wait."""


@dataclass(frozen=True, slots=True)
class Path:
    """How fast a connection is, each way."""

    delay_s: float = 0.0
    """Seconds from sending a byte to receiving it."""
    bytes_per_s: float = math.inf


FAST = Path()


class _Pipe:
    """The bytes of one direction, and the state of its two ends."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._path = FAST
        self._under_way: deque[tuple[float, bytes]] = deque()
        """Bytes on a slow path, each with the time at which it arrives."""
        self._under_way_bytes = 0
        self._arrival_s = 0.0
        self._lost = False
        self._eof = False
        self._sender_closed = False
        self._receiver_closed = False
        self._cut = False
        self._stalled = False
        self._sending = False
        self._receiving = False
        self._changed = trio.lowlevel.ParkingLot()

    # -- what happens to it -------------------------------------------------------------

    def send_eof(self) -> None:
        self._eof = True
        self._changed.unpark_all()

    def close_sender(self) -> None:
        self._sender_closed = True
        self.send_eof()

    def close_receiver(self) -> None:
        self._receiver_closed = True
        self._drop_bytes()
        self._changed.unpark_all()

    def cut(self) -> None:
        self._cut = True
        self._drop_bytes()
        self._changed.unpark_all()

    def lose(self) -> None:
        self._lost = True
        self._drop_bytes()
        self._changed.unpark_all()

    def take_path(self, path: Path) -> None:
        self._path = path
        # What is on its way goes on at the new speed.
        under_way, self._under_way = self._under_way, deque()
        self._arrival_s = 0.0
        for _, data in under_way:
            self._under_way.append((self._next_arrival_of(data), data))
        self._changed.unpark_all()

    def _next_arrival_of(self, data: bytes) -> float:
        """When bytes that are sent now arrive, seconds."""
        self._arrival_s = max(self._arrival_s, trio.current_time())
        self._arrival_s += len(data) / self._path.bytes_per_s
        return self._arrival_s + self._path.delay_s

    def _drop_bytes(self) -> None:
        self._bytes.clear()
        self._under_way.clear()
        self._under_way_bytes = 0

    def stall(self, stalled: bool) -> None:
        self._stalled = stalled
        self._changed.unpark_all()

    # -- the sender's end ---------------------------------------------------------------

    async def wait_room(self) -> None:
        with self._one_sender():
            await trio.lowlevel.checkpoint()
            await self._wait_room()

    async def send(self, data: bytes | bytearray | memoryview) -> None:
        with self._one_sender(), memoryview(data) as view:
            await trio.lowlevel.checkpoint()
            self._check_sender()
            start = 0
            while start < len(view):
                await self._wait_room()
                start += self._put(view[start:])

    def send_nowait(self, data: bytes | bytearray) -> int:
        self._check_sender()
        if self._sending:
            return 0
        with memoryview(data) as view:
            return self._put(view)

    def _put(self, view: memoryview) -> int:
        """Takes as many bytes as there is room for."""
        taken = bytes(view[: self._room()])
        if self._lost:
            return len(taken)
        if self._path is FAST and not self._under_way:
            self._bytes += taken
        else:
            self._under_way.append((self._next_arrival_of(taken), taken))
            self._under_way_bytes += len(taken)
        self._changed.unpark_all()
        return len(taken)

    def _room(self) -> int:
        return BUFFER_BYTES - len(self._bytes) - self._under_way_bytes

    async def _wait_room(self) -> None:
        self._check_sender()
        while self._room() <= 0:
            await self._changed.park()
            self._check_sender()

    def _check_sender(self) -> None:
        if self._sender_closed or self._eof:
            raise trio.ClosedResourceError("this end was closed")
        # That the other end was closed is news which has to come back the same way.
        knows = not self._lost and not self._stalled
        if self._cut or (self._receiver_closed and knows):
            raise trio.BrokenResourceError("the connection is gone")

    @contextmanager
    def _one_sender(self) -> Iterator[None]:
        if self._sending:
            raise trio.BusyResourceError("another task is sending")
        self._sending = True
        try:
            yield
        finally:
            self._sending = False

    # -- the receiver's end -------------------------------------------------------------

    async def receive(self, max_bytes: int) -> bytes:
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving")
        self._receiving = True
        try:
            await trio.lowlevel.checkpoint()
            while not self._receivable():
                with trio.CancelScope(deadline=self._next_arrival_s()):
                    await self._changed.park()
        finally:
            self._receiving = False
        data = bytes(self._bytes[:max_bytes])
        del self._bytes[:max_bytes]
        self._changed.unpark_all()
        return data

    def _receivable(self) -> bool:
        if self._receiver_closed:
            raise trio.ClosedResourceError("this end was closed")
        if self._cut:
            raise trio.BrokenResourceError("the connection is gone")
        while self._under_way and self._under_way[0][0] <= trio.current_time():
            _, data = self._under_way.popleft()
            self._under_way_bytes -= len(data)
            self._bytes += data
        if self._stalled or self._lost:
            return False
        return bool(self._bytes or (self._eof and not self._under_way))

    def _next_arrival_s(self) -> float:
        return self._under_way[0][0] if self._under_way else math.inf


class MemoryStream(trio.abc.HalfCloseableStream):
    """One end of a connection in memory; it behaves like a socket."""

    def __init__(self, outgoing: _Pipe, incoming: _Pipe, peer_text: str) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self.closed = False
        """Whether ``aclose`` was called here."""
        self.peer_text = peer_text
        """Who is at the other end, for logs."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Sends all of ``data``. When full: waits for the other end to receive."""
        await self._outgoing.send(data)

    def send_nowait(self, data: bytes | bytearray) -> int:
        """Sends as much as there is room for, and returns how many bytes that were.

        Raises: trio.BrokenResourceError, trio.ClosedResourceError.
        """
        return self._outgoing.send_nowait(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Waits until there is room for a byte."""
        await self._outgoing.wait_room()

    async def send_eof(self) -> None:
        """Ends sending: the other end receives what was sent, then EOF."""
        if self.closed:
            raise trio.ClosedResourceError("this end was closed")
        await trio.lowlevel.checkpoint()
        self._outgoing.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Some bytes, at most ``max_bytes``; none at EOF."""
        if max_bytes is None:
            max_bytes = BUFFER_BYTES
        elif operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        return await self._incoming.receive(max_bytes)

    async def aclose(self) -> None:
        """Closes both directions: the other end receives what was sent, then EOF, and
        can send no more."""
        self.closed = True
        self._outgoing.close_sender()
        self._incoming.close_receiver()
        await trio.lowlevel.checkpoint()

    def cut(self) -> None:
        """Breaks the connection for both ends at once."""
        self._outgoing.cut()
        self._incoming.cut()

    def stall(self, stalled: bool) -> None:
        """Holds back all bytes, both ways, or lets them flow again."""
        self._outgoing.stall(stalled)
        self._incoming.stall(stalled)

    def lose(self) -> None:
        """Loses all bytes, both ways, from now on; both ends still look open."""
        self._outgoing.lose()
        self._incoming.lose()

    def take_path(self, path: Path) -> None:
        """Sets how fast bytes are that are sent from now on, both ways."""
        self._outgoing.take_path(path)
        self._incoming.take_path(path)


def memory_pair(
    client: str = "client", server: str = "server"
) -> tuple[MemoryStream, MemoryStream]:
    """The client's and the server's end of one connection in memory."""
    there, back = _Pipe(), _Pipe()
    return MemoryStream(there, back, server), MemoryStream(back, there, client)

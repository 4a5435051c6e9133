"""Connections in memory for tests: bounded like sockets, and failing on demand."""

import operator
from collections.abc import Iterator
from contextlib import contextmanager

import trio

BUFFER_BYTES = 64 * 1024
"""Bytes of one direction that were sent and not received. Beyond it senders wait."""


class _Pipe:
    """The bytes of one direction, and the state of its two ends."""

    def __init__(self) -> None:
        self._bytes = bytearray()
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
        self._bytes.clear()
        self._changed.unpark_all()

    def cut(self) -> None:
        self._cut = True
        self._bytes.clear()
        self._changed.unpark_all()

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
                end = min(len(view), start + BUFFER_BYTES - len(self._bytes))
                self._bytes += view[start:end]
                start = end
                self._changed.unpark_all()

    async def _wait_room(self) -> None:
        self._check_sender()
        while len(self._bytes) >= BUFFER_BYTES:
            await self._changed.park()
            self._check_sender()

    def _check_sender(self) -> None:
        if self._sender_closed or self._eof:
            raise trio.ClosedResourceError("this end was closed")
        if self._cut or self._receiver_closed:
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
        return not self._stalled and bool(self._bytes or self._eof)


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


def memory_pair(
    client: str = "client", server: str = "server"
) -> tuple[MemoryStream, MemoryStream]:
    """The client's and the server's end of one connection in memory."""
    there, back = _Pipe(), _Pipe()
    return MemoryStream(there, back, server), MemoryStream(back, there, client)

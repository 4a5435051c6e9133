"""The sending half of a connection: many small writes, few large sends."""

from collections.abc import Callable

import trio

from derproto.triogrpc.counters import Counters
from derproto.triogrpc.errors import PeerStalled
from derproto.triogrpc.limits import LinkLimits
from derproto.triogrpc.sockets import sender_of
from derproto.triogrpc.waits import Flag

SEND_BYTES = 64 * 1024
"""What one send hands to the stream, and so what a peer must take in ``send_timeout_s``."""

CONTROL_BYTES = 64 * 1024
"""How far answers (PING, SETTINGS, resets, window updates) may exceed the write buffer,
which holds senders only. A peer that makes us answer and does not read exceeds it."""


class Transport:
    """Gathers what is written, for one task to send.

    Has of ``asyncio.Transport`` the methods that grpclib calls. ``pause`` and ``resume``
    are called as the buffer passes its bound, ``overflow`` when it exceeds it by more
    than ``CONTROL_BYTES``; all three from within a write, so they must only take note.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        limits: LinkLimits,
        counters: Counters,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        overflow: Callable[[], None],
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._counters = counters
        self._pause = pause
        self._resume = resume
        self._overflow = overflow
        self._gathered = bytearray()
        self._in_flight = 0
        self._paused = False
        self._closing = False
        self._work = Flag()
        self._send_nowait = sender_of(stream)

    def write(self, data: bytes) -> None:
        """Adds to what will be sent next; nothing after ``close()``."""
        if self._closing or not data:
            return
        self._gathered += data
        self._work.set()
        waiting = len(self._gathered) + self._in_flight
        if waiting >= self._limits.write_buffer_bytes:
            if not self._paused:
                self._paused = True
                self._pause()
            if waiting > self._limits.write_buffer_bytes + CONTROL_BYTES:
                self._overflow()

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """No further writes; what was written is still sent, then ``send_gathered`` ends."""
        self._closing = True
        self._work.set()

    async def send_gathered(self) -> None:
        """Sends what is written, until closed and empty.

        Raises: PeerStalled, and what ``send_all`` raises.
        """
        while True:
            await self._work.wait()
            self._work.clear()
            gathered, self._gathered = self._gathered, bytearray()
            self._in_flight = len(gathered)
            with memoryview(gathered) as view:
                for start in range(0, len(view), SEND_BYTES):
                    await self._send(view[start : start + SEND_BYTES])
            if self._closing and not self._gathered:
                return

    async def _send(self, data: memoryview) -> None:
        sent = self._send_nowait(data)
        if sent < len(data):
            with trio.move_on_after(self._limits.send_timeout_s) as scope:
                await self._stream.send_all(data[sent:])
            if scope.cancelled_caught:
                raise PeerStalled
        self._in_flight -= len(data)
        self._counters.bytes_sent += len(data)
        if self._paused and len(self._gathered) + self._in_flight < self._limits.write_buffer_bytes:
            self._paused = False
            self._resume()

"""The sending half of a connection: many small writes, few large sends.

The first write after a pause is sent at once. Writes that follow soon are gathered and sent
together in the loop's next turn by a task that all connections share (``SharedWriter``). Most sends
fit into the socket's buffer and need no task, deadline or cancel scope. If a send does
not fit, a task sends the rest and then ends.
"""

import math
from collections.abc import Callable

import trio

from derproto.triogrpc.core.counters import Counters
from derproto.triogrpc.core.link_errors import PeerStalled
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.waits import Flag
from derproto.triogrpc.sockets.memory_stream import MemoryStream

SEND_BYTES = 64 * 1024
"""Bytes that one send hands to the stream; a peer must take them within ``send_timeout_s``."""

SENDS_A_TURN = 64
"""Connections to send to before other tasks have their turn: half a millisecond."""

PAUSE_S = 0.001
"""Shortest time between two writes that are both sent at once, seconds. So one setpoint does not
wait for the loop's next turn, and many in a row still go out together."""

CONTROL_BYTES = 64 * 1024
"""Bytes of answers (PING, SETTINGS, resets, window updates) beyond the write buffer, which holds
senders only. When full, the connection ends: its peer makes us answer and does not read."""


class SharedWriter:
    """One task that sends the gathered bytes of all connections.

    Bound: each connection waits in it once.
    """

    def __init__(self) -> None:
        self._due: list[Transport] = []
        self._filled = Flag()

    def add(self, transport: "Transport") -> None:
        """Calls the transport's ``send_nowait`` in the loop's next turn."""
        self._due.append(transport)
        self._filled.set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            due, self._due = self._due, []
            for place, transport in enumerate(due, 1):
                transport.send_nowait()
                if place % SENDS_A_TURN == 0:
                    await trio.lowlevel.checkpoint()
            if self._filled.is_set():
                # The wait would return at once, without a checkpoint.
                await trio.lowlevel.checkpoint()


class Transport:
    """Gathers what is written until it is sent.

    It has the methods of ``asyncio.Transport`` that grpclib calls. ``pause`` and ``resume`` are
    called when the buffer passes its bound, ``overflow`` when it exceeds the bound by more than
    ``CONTROL_BYTES``. All three are called within a write, so they must only take note. ``broken``
    is called once, with the reason why nothing more can be sent.
    """

    def __init__(
        self,
        stream: trio.abc.Stream,
        limits: LinkLimits,
        counters: Counters,
        writer: SharedWriter,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        overflow: Callable[[], None],
        broken: Callable[[Exception], None],
    ) -> None:
        self._stream = stream
        self._limits = limits
        self._counters = counters
        self._writer = writer
        self._pause = pause
        self._resume = resume
        self._overflow = overflow
        self._broken = broken
        self._gathered = bytearray()
        self._in_flight = 0
        self._paused = False
        self._closing = False
        self._sending = False
        self._sent_at = -math.inf
        self._tasks: trio.Nursery | None = None
        # Set while no send is due.
        self._idle = Flag(True)
        self._send = _sender_of(stream)

    def open(self, tasks: trio.Nursery) -> None:
        """From now on the stream takes bytes; ``tasks`` runs slow sends."""
        self._tasks = tasks
        self._send_soon()

    def write(self, data: bytes) -> None:
        """Adds to the next send; does nothing after ``close()``."""
        if self._closing or not data:
            return
        self._gathered += data
        if not self._sending:
            self._send_soon()
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
        """Takes no further writes; earlier ones are still sent."""
        self._closing = True

    def abandon(self) -> None:
        """Stops sending."""
        self._closing = True
        self._gathered.clear()
        self._tasks = None

    def forget_owner(self) -> None:
        """Calls back no more, now that it is abandoned."""
        self._pause = self._resume = self._overflow = _nothing
        self._broken = lambda _error: None

    async def wait_sent(self) -> None:
        """Waits until all written bytes are sent, or cannot be."""
        await self._idle.wait()

    def _send_soon(self) -> None:
        if self._tasks is None or not self._gathered:
            return
        self._sending = True
        self._idle.clear()
        now = trio.current_time()
        if now - self._sent_at >= PAUSE_S:
            self._sent_at = now
            self.send_nowait()
        else:
            self._writer.add(self)

    def send_nowait(self) -> None:
        """Sends as much as the stream takes at once, and the rest in a task."""
        if self._tasks is None:
            self._stop_sending()
            return
        gathered = self._gathered
        try:
            sent = self._send(gathered)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            self._fail(trio.BrokenResourceError("sending failed"))
            return
        self._counters.bytes_sent += sent
        if sent == len(gathered):
            gathered.clear()
            self._stop_sending()
            self._resume_if_room()
        else:
            del gathered[:sent]
            self._tasks.start_soon(self._send_slowly)

    async def _send_slowly(self) -> None:
        """Sends until nothing is left. Cancellation: the rest is lost."""
        try:
            while self._gathered:
                gathered, self._gathered = self._gathered, bytearray()
                self._in_flight = len(gathered)
                with memoryview(gathered) as view:
                    for start in range(0, len(view), SEND_BYTES):
                        await self._send_piece(view[start : start + SEND_BYTES])
            self._stop_sending()
        except (trio.BrokenResourceError, trio.ClosedResourceError, PeerStalled) as error:
            self._fail(error)
        finally:
            self._idle.set()

    async def _send_piece(self, data: memoryview) -> None:
        with trio.move_on_after(self._limits.send_timeout_s) as scope:
            await self._stream.send_all(data)
        if scope.cancelled_caught:
            raise PeerStalled
        self._in_flight -= len(data)
        self._counters.bytes_sent += len(data)
        self._resume_if_room()

    def _resume_if_room(self) -> None:
        if self._paused and len(self._gathered) + self._in_flight < self._limits.write_buffer_bytes:
            self._paused = False
            self._resume()

    def _stop_sending(self) -> None:
        self._sending = False
        self._idle.set()

    def _fail(self, error: Exception) -> None:
        self.abandon()
        self._stop_sending()
        self._broken(error)


def _nothing() -> None:
    """Nobody is told."""


def _sender_of(stream: trio.abc.Stream) -> Callable[[bytearray], int]:
    """A function that sends as much as ``stream`` takes at once and returns how many bytes that
    were; always 0 if the stream cannot tell. It raises OSError, or what ``send_all`` raises."""
    if isinstance(stream, MemoryStream):
        return stream.send_nowait
    if not isinstance(stream, trio.SocketStream):
        return lambda _data: 0
    send = stream.socket._sock.send  # type: ignore[attr-defined]

    def send_nowait(data: bytearray) -> int:
        try:
            sent: int = send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        return sent

    return send_nowait

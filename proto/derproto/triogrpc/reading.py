"""One task that reads the sockets of all connections.

A task for each that waits for its own socket costs a message an ``epoll_ctl``, a wake-up and
two switches, more than all that is done with it (docs/performance.md). Here the sockets
stand in one ``epoll`` that stays armed, and what is readable is read and taken in a row. A
sweep reads each readable socket once; others have their turn every ``TURN_S``, also when
fifty peers flood.
"""

import contextlib
import select
import socket
from collections.abc import Callable, Iterator

import trio

READ_BYTES = 16 * 1024
"""What one read takes at most, of one connection, in one turn. A read allocates as much
before it knows what came."""

TURN_S = 0.002
"""After so long, seconds, a sweep lets other tasks run, in its midst."""

Take = Callable[[bytes | None, float], None]
"""Takes what came, and the time: some bytes, none at the end, None from a broken socket. It
must not raise."""


class SharedReader:
    """Reads every socket within ``reading``, in the task that runs ``run``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._entries: dict[int, tuple[Callable[[int], bytes], Take]] = {}
        self._sweeping = False
        self._swept = trio.lowlevel.ParkingLot()

    @contextlib.contextmanager
    def reading(self, sock: socket.socket, take: Take) -> Iterator[None]:
        """Hands to ``take`` what comes from ``sock``, while the block runs.

        After an end or a break it goes on to say so: whoever is told leaves the block.
        """
        fd = sock.fileno()
        self._epoll.register(fd, select.EPOLLIN)
        self._entries[fd] = sock.recv, take
        try:
            yield
        finally:
            del self._entries[fd]
            if not self._epoll.closed:
                self._epoll.unregister(fd)

    async def run(self) -> None:
        """Reads until cancelled. Once."""
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._sweeping = True
                await self._sweep()
                self._sweep_is_over()
        finally:
            self._sweep_is_over()
            self._epoll.close()

    async def _sweep(self) -> None:
        """Reads once from each socket that is readable now."""
        entries, current_time = self._entries, trio.current_time
        ready = self._epoll.poll(0, max(1, len(entries)))
        turn_ends = current_time() + TURN_S
        for fd, _ in ready:
            entry = entries.get(fd)
            if entry is None:
                # It ended meanwhile.
                continue
            receive, take = entry
            data: bytes | None
            try:
                data = receive(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError:
                data = None
            now = current_time()
            take(data, now)
            if now >= turn_ends:
                await trio.lowlevel.checkpoint()
                turn_ends = current_time() + TURN_S

    def _sweep_is_over(self) -> None:
        self._sweeping = False
        self._swept.unpark_all()

    async def caught_up(self) -> None:
        """Until all that had come before this call has been taken.

        For whoever is about to judge a peer's silence: it may be the loop that was late.
        """
        # A sweep that has begun, then one that looked after this call.
        await self._end_of_sweep()
        await _others_first()
        await self._end_of_sweep()

    async def _end_of_sweep(self) -> None:
        if self._sweeping:
            await self._swept.park()


async def read_alone(stream: trio.abc.Stream, take: Take) -> None:
    """Reads ``stream`` in this task until cancelled, or told its end: TLS, memory.

    Raises: trio.ClosedResourceError.
    """
    while True:
        data: bytes | bytearray | None
        try:
            data = await stream.receive_some(READ_BYTES)
        except trio.BrokenResourceError:
            data = None
        take(data if data is None else bytes(data), trio.current_time())
        if not data:
            await trio.sleep_forever()


async def _others_first() -> None:
    """Tasks whose sockets are readable have had a turn."""
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()

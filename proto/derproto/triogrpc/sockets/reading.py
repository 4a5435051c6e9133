"""One task that reads the sockets of all connections.

A task for each that waits for its own socket costs a message an ``epoll_ctl``, a wake-up and
two switches, more than all that is done with it (docs/performance.md). Here the sockets
stand in one ``epoll`` that stays armed, and what is readable is read and taken in a row.

A sweep reads each readable socket once, those first that said little when they were last
read; other tasks have their turn every ``TURN_S``. Of those that filled their last read, and
so flood, as many follow as fit into one such turn, each in its order, the others in the
sweeps after it. So fifty peers that flood share a turn's time in each sweep, and nobody else
waits longer for them than that.
"""

import contextlib
import math
import select
import socket
from collections.abc import Callable, Iterator

import trio

READ_BYTES = 16 * 1024
"""What one read takes at most, of one connection, in one turn. A read allocates as much
before it knows what came."""

TURN_S = 0.0005
"""After so long, seconds, a sweep lets other tasks run, in its midst. A setpoint and its
report pass through four tasks that wait for such a turn."""

Take = Callable[[bytes | None, float], None]
"""Takes what came, and the time: some bytes, none at the end, None from a broken socket. It
must not raise."""


class SharedReader:
    """Reads every socket within ``reading``, in the task that runs ``run``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._entries: dict[int, tuple[Callable[[int], bytes], Take]] = {}
        self._flooding: dict[int, int] = {}
        """Sockets whose last read was full, that read longest ago first, and in which sweep."""
        self._sweeps = 0
        self._passed_over: tuple[int, list[int]] = 0, []
        """The last sweep, and those that flood, were readable, and had no turn in it."""
        self._turn_ends = 0.0
        self._sweeping = False
        self._swept = trio.lowlevel.ParkingLot()

    @contextlib.contextmanager
    def reading(self, sock: socket.socket, take: Take) -> Iterator[None]:
        """Hands to ``take`` what comes from ``sock``, while the block runs.

        After an end or a break it goes on to say so: whoever is told leaves the block.
        Nothing comes any more once ``run`` has ended.
        """
        fd = sock.fileno()
        if not self._epoll.closed:
            self._epoll.register(fd, select.EPOLLIN)
        self._entries[fd] = sock.recv, take
        try:
            yield
        finally:
            del self._entries[fd]
            self._flooding.pop(fd, None)
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
            self._flooding.clear()
            self._sweep_is_over()
            self._epoll.close()

    async def _sweep(self) -> None:
        """Reads from what is readable now."""
        self._sweeps += 1
        passed_over: list[int] = []
        ready = self._epoll.poll(0, max(1, len(self._entries)))
        flooding = self._flooding
        self._turn_ends = trio.current_time() + TURN_S
        for fd, _ in ready:
            if fd not in flooding and self._read(fd) >= self._turn_ends:
                await trio.lowlevel.checkpoint()
                self._turn_ends = trio.current_time() + TURN_S
        if flooding:
            readable = {fd for fd, _ in ready}
            due = [fd for fd in flooding if fd in readable]
            for place, fd in enumerate(due, 1):
                if self._read(fd) >= self._turn_ends:
                    passed_over = due[place:]
                    break
        self._passed_over = self._sweeps, passed_over

    def _read(self, fd: int) -> float:
        """Reads once, if the socket is still there. The time afterwards."""
        entry = self._entries.get(fd)
        now = trio.current_time()
        if entry is None:
            return now
        receive, take = entry
        data: bytes | None
        try:
            data = receive(READ_BYTES)
        except (BlockingIOError, InterruptedError):
            self._flooding.pop(fd, None)
            return now
        except OSError:
            data = None
        take(data, now)
        if data is not None and len(data) == READ_BYTES:
            # Behind the others that do.
            self._flooding.pop(fd, None)
            self._flooding[fd] = self._sweeps
            return trio.current_time()
        if self._flooding:
            self._flooding.pop(fd, None)
        return now

    def give_way(self) -> None:
        """What is being taken woke somebody who should not wait: the turn ends after it."""
        self._turn_ends = -math.inf

    def _sweep_is_over(self) -> None:
        self._sweeping = False
        self._swept.unpark_all()

    async def caught_up(self) -> None:
        """Until all that had come before this call has been taken.

        For whoever is about to judge a peer's silence: it may be the loop that was late.
        """
        # A sweep that has begun, then one that looked after this call.
        await self._end_of_sweep()
        await others_first()
        await self._end_of_sweep()
        # Those that flood may have their turn in the sweeps after it.
        last, behind = self._passed_over
        while behind := [fd for fd in behind if self._flooding.get(fd, last) < last]:
            await trio.lowlevel.checkpoint()

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


async def others_first() -> None:
    """Until tasks whose sockets are readable have had a turn."""
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()

"""One task that reads the sockets of all connections.

With a reading task for each socket, a message would cost an ``epoll_ctl``, a wake-up and two task
switches: more than all the work on the message itself (docs/performance.md). Here one ``epoll``
holds all sockets and stays armed, and one task reads the readable ones in a row.

A sweep reads each readable socket once and lets other tasks run every ``TURN_S``. A socket that
filled its last read is flooding. Sockets that do not flood are read first. Then the sweep spends
one ``TURN_S`` on flooding sockets, longest unread first; the rest wait for the next sweep. So fifty
flooding peers share one turn in each sweep, and no other peer waits longer for them than that.
"""

import contextlib
import math
import select
import socket
from collections.abc import Callable, Iterator

import trio

from derproto.triogrpc.sockets.handshakes import is_tls_error

READ_BYTES = 16 * 1024
"""Most bytes that one read of one connection takes. Each read allocates them in advance."""

TURN_S = 0.0005
"""Seconds after which a sweep lets other tasks run. A setpoint and its report pass through four
tasks, each of which waits for such a turn."""

Take = Callable[[bytes | None, float], None]
"""Takes received bytes and the time: no bytes at the end of the stream, None if the socket is
broken. It must not raise."""


class SharedReader:
    """Reads every socket within ``reading``, in the task that runs ``run``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._entries: dict[int, tuple[Callable[[int], bytes], Take]] = {}
        self._flooding: dict[int, int] = {}
        """Flooding sockets, the one read longest ago first, each with the sweep that read it."""
        self._sweeps = 0
        self._passed_over: tuple[int, list[int]] = 0, []
        """The last sweep, and the flooding sockets that were readable and had no turn in it."""
        self._turn_ends = 0.0
        self._sweeping = False
        self._swept = trio.lowlevel.ParkingLot()

    @contextlib.contextmanager
    def reading(self, sock: socket.socket, take: Take) -> Iterator[None]:
        """Hands received bytes of ``sock`` to ``take`` while the block runs.

        After the stream's end, ``take`` gets that end again and again until the block is left.
        After ``run`` has ended, ``take`` is not called.
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
        """Reads once, if the socket is still registered. Returns the time afterwards."""
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
            # Last in the order of flooding sockets.
            self._flooding.pop(fd, None)
            self._flooding[fd] = self._sweeps
            return trio.current_time()
        if self._flooding:
            self._flooding.pop(fd, None)
        return now

    def give_way(self) -> None:
        """Ends the turn after the current read: the read woke a task that should not wait."""
        self._turn_ends = -math.inf

    def _sweep_is_over(self) -> None:
        self._sweeping = False
        self._swept.unpark_all()

    async def caught_up(self) -> None:
        """Waits until all bytes that arrived before this call are taken.

        A caller that judges a peer's silence needs it: the loop may have been late, not the peer.
        """
        # A sweep that has begun, then one that looked after this call.
        await self._end_of_sweep()
        await others_first()
        await self._end_of_sweep()
        # Flooding sockets may have their turn in later sweeps.
        last, behind = self._passed_over
        while behind := [fd for fd in behind if self._flooding.get(fd, last) < last]:
            await trio.lowlevel.checkpoint()

    async def _end_of_sweep(self) -> None:
        if self._sweeping:
            await self._swept.park()


async def read_alone(stream: trio.abc.Stream, take: Take) -> None:
    """Reads ``stream`` in this task until cancelled, for TLS and memory.

    Raises: trio.ClosedResourceError; trio.BrokenResourceError if TLS itself broke, as by an alert.
    """
    while True:
        data: bytes | bytearray | None
        try:
            data = await stream.receive_some(READ_BYTES)
        except trio.BrokenResourceError as error:
            if is_tls_error(error):
                raise
            data = None
        take(data if data is None else bytes(data), trio.current_time())
        if not data:
            await trio.sleep_forever()


async def others_first() -> None:
    """Waits until tasks whose sockets are readable have had a turn."""
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()

"""The seat of one process, over all of its lives: how faults find the process that runs now."""

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio


class ProcessSeat:
    """Signals the process that sits here, and never another one.

    The process is held by a descriptor (pidfd), since a number may soon be another process's.
    """

    def __init__(self, who: str) -> None:
        self.who = who
        """An agent's id, or ``headend``."""
        self.struck = trio.Lock()
        """Held by the fault that strikes the process, until it is mended."""
        self._pid = 0
        self._fd: int | None = None
        self._holds = 0
        self._free = trio.Event()
        self._free.set()
        self._up = trio.Event()
        self._down = trio.Event()
        self._down.set()

    def started(self, pid: int) -> None:
        """Takes the seat; whoever starts the process calls this before the process is reaped."""
        self._pid, self._fd = pid, os.pidfd_open(pid)
        self._down = trio.Event()
        self._up.set()

    def ended(self) -> None:
        """Leaves the seat; without effect if it is empty."""
        if self._fd is None:
            return
        os.close(self._fd)
        self._fd = None
        self._up = trio.Event()
        self._down.set()

    async def wait_up(self) -> None:
        """Waits until a process sits here."""
        await self._up.wait()

    async def wait_down(self) -> None:
        """Waits until the seat is empty."""
        await self._down.wait()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lets no new process start in the block."""
        self._holds += 1
        if self._holds == 1:
            self._free = trio.Event()
        try:
            yield
        finally:
            self._holds -= 1
            if self._holds == 0:
                self._free.set()

    async def wait_free(self) -> None:
        """Waits until a process may start here."""
        await self._free.wait()

    def send(self, number: signal.Signals) -> None:
        """Signals the process, unless it has just ended."""
        if self._fd is None:
            return
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def limit_files(self, most_bytes: int | None) -> None:
        """Lets no file of the process grow beyond that size; None = lifts the limit.

        Raises: OSError, if this machine forbids it.
        """
        if self._fd is None:
            return
        with suppress(ProcessLookupError):
            _soft, hard = resource.prlimit(self._pid, resource.RLIMIT_FSIZE)
            soft = hard if most_bytes is None else most_bytes
            resource.prlimit(self._pid, resource.RLIMIT_FSIZE, (soft, hard))

"""The ports through which wall time and blocking work enter a daemon.

Nothing else in the project reads the wall clock or starts a thread. So the real headend
and real agents can run for a simulated week under Trio's ``MockClock``. There, blocking work
runs inline (a mock clock would jump hours while a thread works), and wall time follows Trio's.
"""

import signal
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import trio

T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs ``work`` where it may block, and returns its result or raises its error.

    Cancellation: not abandoned; a call that has begun is waited for.
    """

    async def __call__(
        self, work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None
    ) -> T: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """Wall time and blocking work of one process, passed to whatever needs them."""

    wall_us: Callable[[], int]
    """Now, UTC, in microseconds since the epoch."""
    run_blocking: RunBlocking
    """The one way to do blocking work."""
    since_boot: Callable[[], tuple[str, int]] = lambda: ("", 0)
    """The name of this boot of the machine, and the microseconds since the boot, sleep included.
    Together they are a clock that outlives the process and that nobody can set. The name is
    empty if the machine does not tell it."""


async def _in_thread(work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None) -> T:
    return await trio.to_thread.run_sync(partial(_beside_main, work), limiter=limiter)


def _beside_main(work: Callable[[], T]) -> T:
    """Does the work in a thread that SIGABRT does not reach: the main thread shows its stack."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGABRT})
    return work()


async def _inline(work: Callable[[], T], /, *, limiter: trio.CapacityLimiter | None = None) -> T:
    # The same two checkpoints as a thread would have, so that tasks interleave alike.
    if limiter is None:
        await trio.lowlevel.checkpoint()
        return work()
    async with limiter:
        return work()


def real_runtime() -> Runtime:
    """The runtime of a daemon: the machine's clocks, Trio's worker threads."""
    boot = _boot_id()
    return Runtime(
        wall_us=lambda: time.time_ns() // 1000,
        run_blocking=_in_thread,
        since_boot=lambda: (boot, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000),
    )


def monotonic_us() -> int:
    """The kernel's monotonic time in microseconds, as systemd compares it."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def start_thread(work: Callable[[], None], name: str) -> None:
    """Starts a thread beside Trio. The end of the process does not wait for it.

    It is for work that may block for ever, such as writing to a pipe that nobody reads.
    """
    threading.Thread(target=partial(_beside_main, work), name=name, daemon=True).start()


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def virtual_runtime(start_us: int) -> Runtime:
    """The runtime under ``trio.testing.MockClock``.

    Wall time is ``start_us`` (microseconds since the epoch) plus Trio's time since this
    call; blocking work runs inline. Call it inside ``trio.run``.
    """
    started = trio.current_time()
    return Runtime(
        wall_us=lambda: start_us + round((trio.current_time() - started) * 1e6),
        run_blocking=_inline,
    )


@contextmanager
def shielded_for(seconds: float) -> Iterator[trio.CancelScope]:
    """A shield with a deadline: clean-up may await, but not for ever.

    Nothing else in the project is shielded, except lasting tasks. ``scope.cancelled_caught``
    tells whether the time ran out.
    """
    with trio.CancelScope(shield=True, deadline=trio.current_time() + seconds) as scope:
        yield scope


class LastingTasks:
    """Tasks that outlast the body of ``open_lasting_tasks``."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._scopes: list[trio.CancelScope] = []

    def start(self, run: Callable[[], Awaitable[None]]) -> trio.CancelScope:
        """Starts a task; the scope that is returned ends it."""
        scope = trio.CancelScope(shield=True)
        self._scopes.append(scope)
        self._nursery.start_soon(self._run, run, scope)
        return scope

    async def _run(self, run: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        try:
            with scope:
                await run()
        finally:
            self._scopes.remove(scope)

    def end(self) -> None:
        for scope in self._scopes:
            scope.cancel()


@asynccontextmanager
async def open_lasting_tasks() -> AsyncIterator[LastingTasks]:
    """Tasks that the body needs until it has ended, its clean-up included.

    A cancellation from outside reaches only the body; the end of the body cancels the tasks. So
    the shields of the tasks last as long as the body's own, which have deadlines. An error of a
    task cancels the body, too.
    """
    async with trio.open_nursery() as nursery:
        tasks = LastingTasks(nursery)
        try:
            yield tasks
        finally:
            tasks.end()

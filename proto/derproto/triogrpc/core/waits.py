"""Waiting, with the interfaces that grpclib expects and Trio underneath."""

import math
from types import TracebackType

import trio
from grpclib.const import Status
from grpclib.exceptions import GRPCError


class Flag:
    """``asyncio.Event`` as grpclib uses it, on Trio: it can be cleared again.

    ``wait()`` has no checkpoint while the flag is up; a loop around it needs a checkpoint
    elsewhere.
    """

    __slots__ = ("_lot", "_up")

    def __init__(self, up: bool = False) -> None:
        self._up = up
        # Made when first needed: a call has several flags, and most are never waited for.
        self._lot: trio.lowlevel.ParkingLot | None = None

    def is_set(self) -> bool:
        return self._up

    def set(self) -> None:
        self._up = True
        if self._lot is not None:
            self._lot.unpark_all()

    def clear(self) -> None:
        self._up = False

    async def wait(self) -> None:
        if not self._up:
            if self._lot is None:
                self._lot = trio.lowlevel.ParkingLot()
            while not self._up:
                await self._lot.park()


class TimedWaits:
    """``with`` around a call's waits: after the deadline they raise DEADLINE_EXCEEDED.

    It replaces grpclib's ``Wrapper``. Several tasks may be inside at a time; each has its own
    cancel scope.

    Raises: GRPCError(DEADLINE_EXCEEDED).
    """

    def __init__(self, deadline: float = math.inf) -> None:
        self._deadline = deadline
        self._scopes: list[tuple[trio.lowlevel.Task, trio.CancelScope]] = []

    def __enter__(self) -> None:
        if self._deadline == math.inf:
            return
        if trio.current_time() >= self._deadline:
            raise _deadline_exceeded()
        scope = trio.CancelScope(deadline=self._deadline)
        scope.__enter__()
        self._scopes.append((trio.lowlevel.current_task(), scope))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> bool | None:
        if self._deadline == math.inf:
            return None
        scope = self._take_scope()
        swallowed = scope.__exit__(exc_type, exc, tb)
        if scope.cancelled_caught:
            raise _deadline_exceeded() from None
        return swallowed

    def _take_scope(self) -> trio.CancelScope:
        task = trio.lowlevel.current_task()
        for index in range(len(self._scopes) - 1, -1, -1):
            if self._scopes[index][0] is task:
                return self._scopes.pop(index)[1]
        raise RuntimeError("left by a task that did not enter")


def _deadline_exceeded() -> GRPCError:
    return GRPCError(Status.DEADLINE_EXCEEDED, "Deadline exceeded")


STEPS_PER_TURN = 32
"""Messages that a task may send or receive before it lets other tasks run. A checkpoint for each
would cost more than the message; without any, one handler could hold the loop."""


class Turns:
    """A checkpoint every ``STEPS_PER_TURN`` steps; each step checks for cancellation."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps = 0

    async def step(self) -> None:
        self._steps += 1
        if self._steps % STEPS_PER_TURN:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()


class lock_held:
    """``async with lock``, without a checkpoint when nobody holds it."""

    __slots__ = ("_lock",)

    def __init__(self, lock: trio.Lock) -> None:
        self._lock = lock

    async def __aenter__(self) -> None:
        try:
            self._lock.acquire_nowait()
        except trio.WouldBlock:
            await self._lock.acquire()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._lock.release()

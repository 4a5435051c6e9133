"""Cancels a call at any of its awaits."""

from collections.abc import Awaitable, Callable

import trio


class _StepCounter(trio.abc.Instrument):
    """Cancels a scope once one task has been suspended so many times."""

    def __init__(self, task: trio.lowlevel.Task, steps: int, scope: trio.CancelScope) -> None:
        self._task, self._left, self._scope = task, steps, scope

    @property
    def reached(self) -> bool:
        return self._left <= 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            self._left -= 1
            if self._left == 0:
                self._scope.cancel()


async def interrupt(call: Callable[[], Awaitable[object]], at_await: int) -> bool:
    """Cancels the call when it waits for the ``at_await``-th time, from 1.

    Returns whether it waited that often. Raises: what the call raises, but for Cancelled.
    """
    with trio.CancelScope() as scope:
        counter = _StepCounter(trio.lowlevel.current_task(), at_await, scope)
        trio.lowlevel.add_instrument(counter)
        try:
            await call()
        finally:
            trio.lowlevel.remove_instrument(counter)
    return counter.reached

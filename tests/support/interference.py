"""Counting what Trio's tasks do, to interfere at any step of a story."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio


class StepCounter(trio.abc.Instrument):
    """Calls ``act`` once all tasks together have taken so many steps."""

    def __init__(self, steps: int, act: Callable[[], object]) -> None:
        self._left = steps
        self._act = act

    @property
    def acted(self) -> bool:
        return self._left <= 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


@contextmanager
def after_steps(steps: int, act: Callable[[], object]) -> Iterator[StepCounter]:
    """``act`` is called once the block has taken so many steps, if it takes as many."""
    counter = StepCounter(steps, act)
    trio.lowlevel.add_instrument(counter)
    try:
        yield counter
    finally:
        trio.lowlevel.remove_instrument(counter)


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living

"""Measures how long a task holds the loop, in CPU time."""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager

import trio

MAX_STALL_S = 0.05
"""The longest time that one client may hold the loop."""


class LongestStep(trio.abc.Instrument):
    """Measures each task's steps, from one wait to the next."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self.begin()

    def begin(self) -> None:
        """Begins to measure."""
        self._began = time.process_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.begin()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest_s = max(self.longest_s, time.process_time() - self._began)


class LongestTurn(LongestStep):
    """Measures the loop's turns, with the steps of all tasks that were ready."""

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        pass

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        pass

    def after_io_wait(self, timeout: float) -> None:
        self.begin()

    def before_io_wait(self, timeout: float) -> None:
        self.longest_s = max(self.longest_s, time.process_time() - self._began)


@contextmanager
def longest_step() -> Iterator[LongestStep]:
    """Measures the steps of the block, without the garbage collector's."""
    with _measured(LongestStep()) as measure:
        yield measure


@contextmanager
def longest_turn() -> Iterator[LongestStep]:
    """Measures the turns of the block, without the garbage collector's."""
    with _measured(LongestTurn()) as measure:
        yield measure


@contextmanager
def _measured(measure: LongestStep) -> Iterator[LongestStep]:
    gc.collect()
    gc.disable()
    measure.begin()
    trio.lowlevel.add_instrument(measure)
    try:
        yield measure
    finally:
        trio.lowlevel.remove_instrument(measure)
        gc.enable()

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
        self._began = time.process_time()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began = time.process_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest_s = max(self.longest_s, time.process_time() - self._began)


@contextmanager
def longest_step() -> Iterator[LongestStep]:
    """Measures the steps of the block, without the garbage collector's."""
    gc.collect()
    gc.disable()
    measure = LongestStep()
    trio.lowlevel.add_instrument(measure)
    try:
        yield measure
    finally:
        trio.lowlevel.remove_instrument(measure)
        gc.enable()

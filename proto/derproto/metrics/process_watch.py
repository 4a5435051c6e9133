"""Watches the process: its event loop, its resources as the kernel counts them, and its disk.

A worker thread asks the kernel, and the figures show its last answer: counting the file descriptors
of ten thousand connections takes 10 ms, and a disk may take any time.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio
from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric

from derproto.base.runtime import Runtime
from derproto.metrics.loop_lag import LoopLag
from derproto.metrics.process_figures import (
    build_metrics,
    disk_metrics,
    log_metrics,
    loop_metrics,
)
from derproto.stdio.logs import log_queue

LOOK_S = 10.0
"""Seconds between two looks at the process and its disk."""


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """The room on a disk, in bytes."""

    free_bytes: int
    whole_bytes: int


class ProcessWatch:
    """The state of this process, and of the disk that holds ``folder``."""

    def __init__(self, program: str, folder: Path, runtime: Runtime) -> None:
        self._program = program
        self._folder = folder
        self._run_blocking = runtime.run_blocking
        self._collector = ProcessCollector(registry=None)
        self._process: Iterable[Metric] = ()
        self.lag = LoopLag()
        self.disk: DiskRoom | None = None
        """None = not read yet, or the folder cannot be read."""

    async def run(self) -> None:
        """Measures the loop's lag, and asks the kernel every ``LOOK_S``, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.lag.run)
            while True:
                await self._run_blocking(self.look)
                await trio.sleep(LOOK_S)

    def look(self) -> None:
        """Asks the kernel once. May block."""
        self._process = list(self._collector.collect())
        try:
            disk = os.statvfs(self._folder)
        except OSError:
            self.disk = None
        else:
            self.disk = DiskRoom(disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)

    def metrics(self) -> Iterator[Metric]:
        """The figures of the process, its versions, its loop and its disk."""
        yield from build_metrics(self._program)
        yield from loop_metrics(self._program, self.lag.counts())
        yield from log_metrics(self._program, log_queue().dropped_lines)
        yield from self._process
        if self.disk is not None:
            yield from disk_metrics(self._program, self.disk.free_bytes, self.disk.whole_bytes)

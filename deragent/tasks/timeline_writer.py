"""Saves the timelines before their changes take effect, and restores them after a restart.

A report to the headend must still be true after a kill. The agent must also know which orders its
devices follow, to be able to end them. So reports, and orders to devices, wait until their timeline
is on disk. A command that returns a device to its default does not wait. Changes during a write
share the next write.
"""

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from deragent.tasks.signals import Signal
from deragent.timelines.absence import Stamp
from deragent.timelines.timeline_file import TimelineFile
from deragent.timelines.timeline_format import (
    LoadedTimelines,
    SavedTimelines,
    UnreadableTimelines,
    read_timelines,
    write_timelines,
)
from derproto.base.runtime import Runtime, shielded_for
from derproto.stdio.log_events import event_log

log = event_log(__name__)

MARK_S = 30.0
"""Most time between two writes of the file while an order is in force, seconds. After a kill, the
last write shows about how long the agent was away and the headend was silent."""
RETRY_S = 1.0
"""Pause after a failed write, seconds."""
LAST_S = 1.0
"""Time in which a stopping agent writes the file a last time, seconds."""


class TimelineWriter:
    """Saves and restores one agent's timelines.

    When the disk is full: reports and orders to devices wait, and newer ones replace older ones.
    Windows still end on time, and devices go to their defaults.
    """

    def __init__(
        self,
        file: TimelineFile,
        runtime: Runtime,
        board: AgentBoard,
        controllers: Sequence[Controller],
    ) -> None:
        self._file = file
        self._runtime = runtime
        self._board = board
        self._controllers = controllers
        self._blocking = partial(runtime.run_blocking, limiter=trio.CapacityLimiter(1))
        self._changed = Signal()
        self._failing = False

    def note_change(self) -> None:
        """Notes that a timeline changed."""
        self._changed.set()

    async def restore(self) -> None:
        """Gives each controller the saved timeline of its asset.

        If the file cannot be read, it is set aside, and every device is told its default.

        Raises: OSError.
        """
        data = await self._blocking(self._file.load)
        if data is None:
            return
        try:
            self._resume(read_timelines(data))
        except UnreadableTimelines as reason:
            aside = await self._blocking(self._file.set_aside)
            log.error(
                "no dispatch is remembered, and devices go to their defaults",
                path=self._file.path,
                reason=reason,
                set_aside=aside,
            )
            for controller in self._controllers:
                controller.begin_at_default()

    def _resume(self, loaded: LoadedTimelines) -> None:
        now, stamp = self._board.now(), self._stamp()
        timelines = [loaded.timeline(c.asset_id, c.timeline, now, stamp) for c in self._controllers]
        self._board.restore_headend(loaded.heard_s(now, stamp), loaded.absence(now, stamp))
        if loaded.period_s is not None:
            self._board.take_period(loaded.period_s)
        for controller, timeline in zip(self._controllers, timelines, strict=True):
            controller.resume(timeline)
        unserved = set(loaded.assets) - {c.asset_id for c in self._controllers}
        for asset_id in sorted(unserved):
            log.warning(
                "asset is not served any more: its dispatches are forgotten", asset=asset_id
            )

    async def run(self) -> None:
        """Writes the file at every change, for ever. Cancellation: waits for the current write."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_period)
            await self._follow_changes()

    async def _follow_period(self) -> None:
        while True:
            await self._board.telemetry_period_s.wait_change()
            self._changed.set()

    async def _follow_changes(self) -> None:
        while True:
            in_force = any(c.timeline.in_force is not None for c in self._controllers)
            with trio.move_on_after(MARK_S if in_force else math.inf):
                await self._changed.wait()
            if not await self._write():
                await trio.sleep(RETRY_S)
                self._changed.set()

    async def write_last(self) -> None:
        """Writes the file a last time, within ``LAST_S``."""
        with shielded_for(LAST_S):
            await self._write()

    async def _write(self) -> bool:
        snapshots = [controller.snapshot() for controller in self._controllers]
        saved = SavedTimelines(
            self._stamp(),
            self._board.now(),
            {c.asset_id: s.timeline for c, s in zip(self._controllers, snapshots, strict=True)},
            self._board.telemetry_period_s.value,
        )
        try:
            await self._blocking(lambda: self._file.save(write_timelines(saved)))
        except OSError as error:
            if not self._failing:
                log.error("timelines cannot be written: orders wait until they can", reason=error)
            self._failing = True
            return False
        if self._failing:
            log.warning("timelines are written again")
        self._failing = False
        for controller, snapshot in zip(self._controllers, snapshots, strict=True):
            controller.note_saved(snapshot)
        return True

    def _stamp(self) -> Stamp:
        boot, up_us = self._runtime.since_boot()
        return Stamp(self._runtime.wall_us(), boot, up_us, *self._board.headend_clock())


@asynccontextmanager
async def open_timeline_writer(
    folder: Path, runtime: Runtime, board: AgentBoard, controllers: Sequence[Controller]
) -> AsyncIterator[TimelineWriter]:
    """Restores the controllers' timelines from a folder, which is locked for the block.

    The block must run ``run``. However the block ends, the file is written a last time.

    Raises: DataFolderError; OSError if the folder can be locked but not read.
    """
    file = await runtime.run_blocking(lambda: TimelineFile(folder))
    try:
        writer = TimelineWriter(file, runtime, board, controllers)
        await writer.restore()
        for controller in controllers:
            controller.on_change = writer.note_change
        try:
            yield writer
        finally:
            await writer.write_last()
    finally:
        file.close()

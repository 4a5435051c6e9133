"""Steering: a task for each asset that carries out what its timeline decides."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

import trio

from deragent.devices import (
    Device,
    DeviceError,
    Limits,
    LocalControlError,
    Measurement,
    tell_default,
)
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.signals import Signal
from deragent.timelines import asset_timeline, stepping, timed_orders
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.timed_orders import Apply, Report, ReturnToDefault
from derproto.base.runtime import shielded_for
from derproto.configuration.fleet import Asset
from derproto.stdio.log_events import event_log

log = event_log(__name__)

TELL_TIMEOUT_S = 5.0
"""Time for a device to take a command, within the window. When over, the try has failed; a
default is tried again every 5 s."""
LEAVE_S = 1.0
"""Time in which a stopping agent returns a device to its default."""
REPORTS_UNSAVED = 256
"""Reports of one asset that wait until its timeline is on disk. When full, the oldest is dropped;
the next Register carries the last report of every dispatch."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A timeline, and the number of changes that led to it."""

    version: int
    timeline: Timeline


class Controller:
    """One asset's timeline, and the task that addresses its device.

    Events change the timeline at once, also while the device is slow. A controller keeps only
    the newest pending command, so there is no queue to bound.

    With a data folder, ``on_change`` is called in place at every change. The controller sends
    reports, and tells the device orders, only once ``note_saved`` says that the change is on disk.
    """

    def __init__(self, asset_index: int, asset: Asset, device: Device, board: AgentBoard) -> None:
        self._index = asset_index
        self._name = asset.name
        self.asset_id = asset.id
        self._device = device
        self._board = board
        self._limits = asset.limits
        self.timeline = Timeline(self._present_limits(), asset.default_mw, asset.failsafe)
        self.on_change: Callable[[], None] | None = None
        self.hands_over: Callable[[], bool] = lambda: False
        """Whether another controller takes over the device as it is, once ``control`` ends."""
        self._version = 0
        self._saved = self.snapshot()
        self._unsaved: deque[tuple[int, Report]] = deque(maxlen=REPORTS_UNSAVED)
        self._to_tell: tuple[int, Apply | ReturnToDefault] | None = None
        self._told_id: str | None = None
        """The id of the last order that the device was told."""
        self._leave_s: float | None = None
        """End of the window of the last order told, if the device may still follow that order."""
        self._changed = Signal()
        self._newly_saved = trio.Event()

    def _present_limits(self) -> Limits:
        ours, its = self._limits, self._device.limits
        return Limits(max(ours.min_mw, its.min_mw), min(ours.max_mw, its.max_mw))

    # --- events -------------------------------------------------------------------------

    def note_reading(self, reading: Measurement) -> None:
        """Takes over who controls the device, and which setpoints it accepts from now on."""
        limits = self._present_limits()
        if limits != self.timeline.limits:
            self.timeline = replace(self.timeline, limits=limits)
        if reading.local != self.timeline.local:
            self.handle(timed_orders.LocalControl(reading.local))

    def handle(self, event: timed_orders.TimelineEvent) -> None:
        """Steps the timeline. Reports go to the board, commands to ``control``."""
        self._step(event)
        self._changed.set()

    def _step(self, event: timed_orders.TimelineEvent) -> None:
        order = self._waiting_order()
        over = order is not None and not timed_orders.before(trio.current_time(), order.end_s)
        if order is not None and over and order.dispatch_id != self._told_id:
            self._take_step(timed_orders.OrderWithheld(order.dispatch_id))
        self._take_step(event)

    def _take_step(self, event: timed_orders.TimelineEvent) -> None:
        self.timeline, effects = stepping.step(self.timeline, event, self._board.now())
        if self.timeline.suspended:
            self._board.wake_when_heard(self._changed)
        if not effects:
            return
        self._version += 1
        for effect in effects:
            if isinstance(effect, Report):
                self._unsaved.append((self._version, effect))
            else:
                self._to_tell = self._version, effect
        if self.on_change is None:
            self.note_saved(self.snapshot())
        else:
            self.on_change()

    def knows(self, dispatch_id: str) -> bool:
        """Whether this asset has an order of that id, held or ended lately."""
        return dispatch_id in self.timeline.seen

    def last_reports(self) -> tuple[Report, ...]:
        """The last report on every dispatch held or ended lately, held ones first."""
        return asset_timeline.last_reports(self.timeline, self._board.now())

    # --- saving -------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """The present timeline, to be saved."""
        return Snapshot(self._version, self.timeline)

    def note_saved(self, saved: Snapshot) -> None:
        """A snapshot is on disk: its reports may be sent, and its order told to the device."""
        self._saved = saved
        while self._unsaved and self._unsaved[0][0] <= saved.version:
            self._board.add_report(self._index, self._unsaved.popleft()[1])
        if self._to_tell is not None:
            self._changed.set()
        self._newly_saved.set()
        self._newly_saved = trio.Event()

    async def wait_saved(self) -> None:
        """Waits until all changes so far are on disk."""
        version = self._version
        while self._saved.version < version:
            await self._newly_saved.wait()

    def resume(self, timeline: Timeline) -> None:
        """Takes over the timeline of an earlier process, before ``control`` runs."""
        self.timeline = timeline
        self._saved = self.snapshot()
        force = timeline.in_force
        for order in timeline.held:
            if force is not None and force.told and order.dispatch_id == force.dispatch_id:
                self._told_id, self._leave_s = order.dispatch_id, order.end_s

    def begin_at_default(self) -> None:
        """Makes the default the device's first command, since its earlier orders are unknown."""
        due_s = self._board.now().mono_s
        self.resume(replace(self.timeline, returning=True, default_due_s=due_s))

    # --- the device ---------------------------------------------------------------------

    async def control(self) -> None:
        """Tells the device what the timeline decides, for ever.

        Cancellation: a device under an order is first told its default, within ``LEAVE_S``,
        since nobody else would end the order; unless ``hands_over`` says that somebody will.
        """
        try:
            self._step(timed_orders.TimePassed())
            while True:
                command = self._take_command()
                if command is None:
                    due = asset_timeline.next_deadline(self.timeline, self._board.now().heard_s)
                    with trio.move_on_at(
                        min(math.inf if due is None else due, self._overstays_s())
                    ):
                        await self._changed.wait()
                    if self._overstays_s() <= trio.current_time():
                        await self._leave_last_order()
                    self._step(timed_orders.TimePassed())
                else:
                    await self._tell(command)
        finally:
            in_force = self.timeline.in_force
            steered = self.timeline.returning or (in_force is not None and in_force.told)
            if steered and not self.timeline.local and not self.hands_over():
                with shielded_for(LEAVE_S) as leaving:
                    await self._return_to_default(self.timeline.default_mw)
                if leaving.cancelled_caught:
                    log.error(
                        "device did not answer its return to the default: it keeps its setpoint",
                        asset=self.asset_id,
                    )

    def _take_command(self) -> Apply | ReturnToDefault | None:
        """The command to give the device now. An order waits until it is on disk."""
        if self._to_tell is None or self._waiting_order() is not None:
            return None
        command, self._to_tell = self._to_tell[1], None
        return command

    def _waiting_order(self) -> Apply | None:
        """The order that waits for the disk, if any."""
        if self._to_tell is None:
            return None
        version, command = self._to_tell
        return command if isinstance(command, Apply) and version > self._saved.version else None

    def _overstays_s(self) -> float:
        """When the device must leave its last order; infinite if it need not.

        It must if the next order still waits for the disk when the last one's window ends.
        """
        waits = self._waiting_order() is not None
        return math.inf if self._leave_s is None or not waits else self._leave_s

    async def _leave_last_order(self) -> None:
        """Returns the device to its default. The timeline's next command follows anyway."""
        if not await self._return_to_default(self.timeline.default_mw):
            self._leave_s = trio.current_time() + stepping.DEFAULT_RETRY_S

    async def _tell(self, command: Apply | ReturnToDefault) -> None:
        if isinstance(command, ReturnToDefault):
            taken = await self._return_to_default(command.mw)
            self._step(timed_orders.DefaultTaken() if taken else timed_orders.DefaultFailed())
            return
        self._told_id, self._leave_s = command.dispatch_id, command.end_s
        deadline_s = trio.current_time() + TELL_TIMEOUT_S
        if command.end_s is not None:
            deadline_s = min(deadline_s, command.end_s)
        try:
            with trio.fail_at(deadline_s):
                told_mw = await self._device.apply(command.mw, command.ramp_mw_per_s)
        except (DeviceError, trio.TooSlowError) as failure:
            detail = str(failure) or "did not answer in time"
            log.warning(
                "device did not take its order",
                asset=self.asset_id,
                dispatch=command.dispatch_id,
                mw=command.mw,
                reason=detail,
            )
            local = isinstance(failure, LocalControlError)
            self._step(timed_orders.ApplyFailed(command.dispatch_id, detail, local))
        else:
            self._step(timed_orders.Applied(command.dispatch_id, told_mw))

    async def _return_to_default(self, mw: float | None) -> bool:
        try:
            with trio.fail_after(TELL_TIMEOUT_S):
                await tell_default(self._device, mw)
        except (DeviceError, trio.TooSlowError) as failure:
            detail = str(failure) or "did not answer in time"
            log.error(
                "device did not take its default",
                asset=self.asset_id,
                default_mw="own control" if mw is None else mw,
                reason=detail,
            )
            return False
        self._leave_s = None
        return True

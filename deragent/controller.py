"""Steering: one task an asset carries out what its setpoint timeline decides."""

import logging
import math

import trio

from deragent import orders, setpoints
from deragent.board import Board
from deragent.devices import Device, DeviceError
from deragent.orders import Apply, Report, ReturnToDefault
from deragent.setpoints import Timeline
from deragent.signals import Signal
from derproto.base.fleet import Asset, Limits
from derproto.base.runtime import shielded_for

log = logging.getLogger(__name__)

TELL_TIMEOUT_S = 5.0
"""A device that has not taken a command for this long has failed to."""
LEAVE_S = 1.0
"""How long a stopping agent tries to give its device the default."""


class Controller:
    """One asset's timeline, and the task that speaks to its device.

    Events change the timeline at once, also while the device is slow. Of what the device is
    still to be told only the newest counts, so there is no queue to bound.
    """

    def __init__(self, asset_index: int, asset: Asset, device: Device, board: Board) -> None:
        self._index = asset_index
        self._name = asset.name
        self._device = device
        self._board = board
        limits = Limits(
            max(asset.limits.min_mw, device.limits.min_mw),
            min(asset.limits.max_mw, device.limits.max_mw),
        )
        self._timeline = Timeline(limits, asset.default_mw, asset.failsafe)
        self._to_tell: Apply | ReturnToDefault | None = None
        self._changed = Signal()

    def handle(self, event: orders.Event) -> None:
        """Steps the timeline: reports go to the board, commands to ``control``."""
        self._step(event)
        self._changed.set()

    def _step(self, event: orders.Event) -> None:
        self._timeline, effects = setpoints.step(self._timeline, event, self._board.now())
        if self._timeline.suspended:
            self._board.wake_when_heard(self._changed)
        for effect in effects:
            if isinstance(effect, Report):
                self._board.add_report(self._index, effect)
            else:
                self._to_tell = effect

    def knows(self, dispatch_id: str) -> bool:
        """Whether the id is one of this asset's, held or ended lately."""
        return dispatch_id in self._timeline.known

    def last_reports(self) -> tuple[Report, ...]:
        """The last report of every dispatch held or ended lately, held ones first."""
        return setpoints.last_reports(self._timeline, self._board.now())

    async def control(self) -> None:
        """Tells the device what the timeline decides, for ever.

        Cancellation: a device under an order is told its default first, within ``LEAVE_S``:
        nobody would be left to end the order.
        """
        try:
            while True:
                if self._to_tell is None:
                    due = setpoints.next_deadline(self._timeline, self._board.now().heard_s)
                    with trio.move_on_at(math.inf if due is None else due):
                        await self._changed.wait()
                    self._step(orders.TimePassed())
                else:
                    command, self._to_tell = self._to_tell, None
                    await self._tell(command)
        finally:
            in_force = self._timeline.in_force
            if self._timeline.returning or (in_force is not None and in_force.told):
                with shielded_for(LEAVE_S) as leaving:
                    await self._return_to_default(self._timeline.default_mw)
                if leaving.cancelled_caught:
                    log.error("%s was left under its order: it did not answer", self._name)

    async def _tell(self, command: Apply | ReturnToDefault) -> None:
        if isinstance(command, ReturnToDefault):
            taken = await self._return_to_default(command.mw)
            self._step(orders.DefaultTaken() if taken else orders.DefaultFailed())
            return
        deadline_s = trio.current_time() + TELL_TIMEOUT_S
        if command.end_s is not None:
            deadline_s = min(deadline_s, command.end_s)
        try:
            with trio.fail_at(deadline_s):
                told_mw = await self._device.apply(command.mw, command.ramp_mw_per_s)
        except (DeviceError, trio.TooSlowError) as failure:
            detail = str(failure) or "did not answer in time"
            log.warning("%s did not take %g MW: %s", self._name, command.mw, detail)
            self._step(orders.ApplyFailed(command.dispatch_id, detail))
        else:
            self._step(orders.Applied(command.dispatch_id, told_mw))

    async def _return_to_default(self, mw: float | None) -> bool:
        try:
            with trio.fail_after(TELL_TIMEOUT_S):
                if mw is None:
                    await self._device.release()
                else:
                    await self._device.apply(mw)
        except (DeviceError, trio.TooSlowError) as failure:
            detail = str(failure) or "did not answer in time"
            default = "own control" if mw is None else f"{mw:g} MW"
            log.error("%s did not take its default, %s: %s", self._name, default, detail)
            return False
        return True

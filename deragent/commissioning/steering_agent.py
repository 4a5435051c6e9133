"""The agent's own controller in front of one device, with a headend that only seems to be there.

It is what ``deragent run`` steers with: the same timeline, the same failsafe, the same task. Only
the session is missing: the test gives the order, says that the headend was heard, and stops
saying so.
"""

from dataclasses import replace

import trio

from deragent.config import AgentPlan
from deragent.devices import Device, Measurement
from deragent.outbox import OutboxLimits
from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from deragent.timelines.timed_orders import SetpointArrived, TimedOrder
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset

HEARD_S = 1.0
"""How often the headend seems to be heard before the link is cut."""
PRIORITY = 1


class SteeringAgent:
    """Steers one device from ``run`` on, until ``end``."""

    def __init__(
        self, asset: Asset, device: Device, runtime: Runtime, failsafe_after_s: float
    ) -> None:
        asset = replace(asset, failsafe=replace(asset.failsafe, after_s=failsafe_after_s))
        self._board = AgentBoard(
            AgentPlan("commissioning", asset.site_id, (asset,)),
            runtime=runtime,
            boot_id=1,
            outbox=OutboxLimits(),
            backfill_rows_s=1,
            on_event=lambda _event: None,
        )
        self._controller = Controller(0, asset, device, self._board)
        self._scope = trio.CancelScope()
        self._link = trio.CancelScope()
        self._ended = trio.Event()

    async def run(self) -> None:
        """Steers the device. Cancellation: as for ``Controller.control``."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._hear)
                    await self._controller.control()
        finally:
            self._ended.set()

    def order(self, mw: float) -> None:
        """Brings an order without an end, as a headend does."""
        now_s = trio.current_time()
        self._controller.handle(
            SetpointArrived(TimedOrder("commissioning", mw, PRIORITY, now_s, None))
        )

    def note_reading(self, reading: Measurement) -> None:
        """Shows the controller a reading, as the sampler does."""
        self._controller.note_reading(reading)

    def cut_link(self) -> None:
        """Hears the headend for the last time."""
        self._board.hear()
        self._link.cancel()

    async def end(self) -> None:
        """Ends the controller; a device under an order is told its default."""
        self._scope.cancel()
        await self._ended.wait()

    async def _hear(self) -> None:
        with self._link:
            while True:
                self._board.hear()
                await trio.sleep(HEARD_S)

"""The census: walks the fleet in turns of the loop, and makes the sums that no counter can keep.

An asset becomes stale because time passes, and no counter can keep the worst of all agents. So a
task looks at every asset, agent and open dispatch in turn, and a scrape reads the last round.
"""

import trio

from derhead.dispatch import DispatchDesk
from derhead.observability.checks.process_checks import ClockSteps
from derhead.observability.figures.fleet_sums import FleetStatistics, FleetSums
from derhead.sessions import Session, Sessions
from derhead.telemetry import LatestTable, stale_after_us
from derproto.base.runtime import Runtime
from derproto.base.turns import look_in_turns
from derproto.configuration.fleet import Fleet
from derproto.metrics.histogram import Histogram

ROUND_S = 10.0
"""Pause between two rounds."""

AGE_BOUNDS_S = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0)
"""Bounds of the ages of newest samples, seconds."""


class Census:
    """Walks the fleet; ``run`` is its one task."""

    def __init__(
        self,
        fleet: Fleet,
        latest: LatestTable,
        sessions: Sessions,
        desk: DispatchDesk,
        runtime: Runtime,
        *,
        telemetry_period_ms: int,
    ) -> None:
        self._fleet = fleet
        self._latest = latest
        self._sessions = sessions
        self._desk = desk
        self._wall_us = runtime.wall_us
        self._stale_us = stale_after_us(telemetry_period_ms)
        self._ages = Histogram(AGE_BOUNDS_S)
        self._last = FleetSums()
        self._clock = ClockSteps()

    async def run(self) -> None:
        """Makes one round after another until cancelled."""
        while True:
            await self._go_round()
            await trio.sleep(ROUND_S)

    def statistics(self) -> FleetStatistics:
        end_us = self._last.certificate_end_us
        left_s = None if end_us is None else (end_us - self._wall_us()) / 1e6
        return FleetStatistics(
            sums=self._last,
            sample_ages=self._ages.counts(),
            clock_steps=self._clock.count,
            clock_step=self._clock.last,
            certificate_left_s=left_s,
        )

    async def _go_round(self) -> None:
        sums = FleetSums()
        self._clock.look(self._wall_us(), trio.current_time())

        def look_at_asset(asset_id: str) -> None:
            since_us = self._latest.since_us(asset_id)
            age_us = None if since_us is None else max(0, self._wall_us() - since_us)
            held = self._sessions.holder(asset_id) is not None
            sums.take_asset(held=held, age_us=age_us, stale_us=self._stale_us)
            if age_us is not None:
                self._ages.take(age_us / 1e6)

        def look_at_agent(session: Session) -> None:
            sums.take_agent(
                clock_offset_us=session.clock_offset_us,
                outbox_rows=session.outbox_rows,
                certificate_end_us=session.certificate_end_us,
            )

        # Each is a copy: fleet, sessions and dispatches may change between two turns.
        await look_in_turns(tuple(self._fleet.assets), look_at_asset)
        await look_in_turns(self._sessions.live, look_at_agent)
        await look_in_turns(
            self._desk.open_dispatches(), lambda each: sums.take_dispatch(each, self._wall_us())
        )
        self._last = sums

"""The census: goes round the fleet in turns, and sums up what no counter could keep.

An asset becomes stale because time passes, and the worst of all agents cannot be kept as a counter.
So a task looks at every asset, agent and open dispatch in turn, and a scrape reads the last round.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from derhead.dispatch import Dispatch, DispatchDesk, State
from derhead.observability.process_checks import CLOCK_OFF_US, ClockStep, ClockSteps
from derhead.sessions import Session, Sessions
from derhead.telemetry import LatestTable, stale_after_us
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.metrics.histogram import Histogram, HistogramCounts

ROUND_S = 10.0
"""Pause between two rounds."""

LOOKS_A_TURN = 200
"""Assets, agents or dispatches to look at before other tasks have their turn: less than a
millisecond."""

AGE_BOUNDS_S = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0)
"""Bounds of the ages of newest samples, seconds."""

LATE_START_US = 30_000_000
"""How long after its window began a dispatch that has not started is late, microseconds. An agent
starts within a second, and an agent that has lost its link is back within this time."""

T = TypeVar("T")


@dataclass(slots=True)
class FleetSums:
    """The sums of one round. Pure."""

    assets: Counter[str] = field(default_factory=Counter)
    """Assets by state: ``online``, ``stale`` or ``offline``, as in a site's ``assets``."""
    agents: int = 0
    """Connected agents."""
    agents_off: int = 0
    """Connected agents whose clock is more than a minute off the headend's."""
    clock_offset_us: int = 0
    """The clock offset of the agent whose clock is furthest off, as an absolute value."""
    outbox_rows: int = 0
    """Samples in the outboxes of all agents."""
    worst_outbox_rows: int = 0
    certificate_end_us: int | None = None
    """The end of the agents' certificate that ends first; None = no agent has one."""
    late_dispatches: int = 0

    def take_asset(self, *, held: bool, age_us: int | None, stale_us: int) -> None:
        """Counts an asset; ``age_us`` is that of its newest sample."""
        fresh = age_us is not None and age_us <= stale_us
        self.assets["offline" if not held else "online" if fresh else "stale"] += 1

    def take_agent(
        self, *, clock_offset_us: int, outbox_rows: int, certificate_end_us: int | None
    ) -> None:
        """Counts a connected agent."""
        self.agents += 1
        self.agents_off += abs(clock_offset_us) > CLOCK_OFF_US
        self.clock_offset_us = max(self.clock_offset_us, abs(clock_offset_us))
        self.outbox_rows += outbox_rows
        self.worst_outbox_rows = max(self.worst_outbox_rows, outbox_rows)
        ends = [end for end in (self.certificate_end_us, certificate_end_us) if end is not None]
        self.certificate_end_us = min(ends, default=None)

    def take_dispatch(self, dispatch: Dispatch, now_us: int) -> None:
        """Counts an open dispatch."""
        waits = dispatch.state is not State.STARTED and dispatch.cancelling is None
        late = dispatch.start_us + LATE_START_US < now_us
        if waits and late and not dispatch.window.is_over(now_us):
            self.late_dispatches += 1


@dataclass(frozen=True, slots=True)
class FleetStatistics:
    """The last round, and the ages of newest samples in all rounds."""

    sums: FleetSums
    sample_ages: HistogramCounts

    clock_steps: int
    """Times that the headend's clock was set."""
    clock_step: ClockStep | None
    """The last of them."""
    certificate_left_s: float | None
    """Time until the first certificate of an agent ends; None = no agent has one."""

    @property
    def assets(self) -> Mapping[str, int]:
        """Assets by state."""
        return {state: self.sums.assets[state] for state in ("online", "stale", "offline")}


class Census:
    """Goes round the fleet; ``run`` is its one task."""

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
        await _in_turns(tuple(self._fleet.assets), look_at_asset)
        await _in_turns(self._sessions.live, look_at_agent)
        await _in_turns(
            self._desk.open_dispatches(), lambda each: sums.take_dispatch(each, self._wall_us())
        )
        self._last = sums


async def _in_turns(items: Sequence[T], look: Callable[[T], None]) -> None:
    for start in range(0, len(items), LOOKS_A_TURN):
        for each in items[start : start + LOOKS_A_TURN]:
            look(each)
        await trio.lowlevel.checkpoint()

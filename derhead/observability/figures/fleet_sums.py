"""The sums of a round through the fleet: pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from derhead.dispatch import Dispatch, State
from derhead.observability.checks.process_checks import CLOCK_OFF_US, ClockStep
from derproto.metrics.histogram import HistogramCounts

LATE_START_US = 30_000_000
"""Microseconds after the begin of its window from which a dispatch that has not started is late. An
agent starts a dispatch within a second, and is back within this time if it has lost its link."""


@dataclass(slots=True)
class FleetSums:
    """The sums of one round."""

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

"""Checks of the process: its event loop, its disk, its clock. Pure."""

from dataclasses import dataclass

from derhead.observability.checks.readiness import Check, Health
from derproto.metrics.process_watch import DiskRoom

SLOW_LOOP_S = 2.0
"""Lag of the loop at which the headend is degraded, seconds: an order should start within it."""

LEAST_FREE_BYTES = 1_000_000_000
LEAST_FREE_SHARE = 0.05
"""Bytes, or the share of the disk, below which the headend is degraded."""

CLOCK_STEP_US = 1_000_000
"""Drift of the clock against the loop's time, in microseconds, beyond which the clock was set."""

STEP_SHOWN_S = 3600.0
"""Seconds for which a check shows that the clock was set."""

CLOCK_OFF_US = 60_000_000
"""Offset of an agent's clock, in microseconds, from which the agent disagrees with the headend."""

AGENTS_ASKED = 3
"""Fewer agents than these say nothing about the headend's clock."""


def loop_check(worst_s: float) -> Check:
    """Whether the event loop turns in time; ``worst_s`` is its worst lag of the last minutes."""
    if worst_s < SLOW_LOOP_S:
        return Check("loop", Health.READY, f"at most {worst_s * 1000:.0f} ms late of late")
    said = f"stood still for {worst_s:.1f} s within the last two minutes"
    return Check("loop", Health.DEGRADED, said)


def disk_check(disk: DiskRoom | None) -> Check:
    """Whether the disk of the data folder has room to spare."""
    if disk is None:
        return Check("disk", Health.READY, "not looked at yet")
    said = f"{disk.free_bytes / 1e9:.1f} of {disk.whole_bytes / 1e9:.1f} GB are free"
    share = disk.free_bytes / max(1, disk.whole_bytes)
    if disk.free_bytes < LEAST_FREE_BYTES or share < LEAST_FREE_SHARE:
        return Check("disk", Health.DEGRADED, f"{said}; make room before it is full")
    return Check("disk", Health.READY, said)


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A setting of the machine's clock."""

    by_s: float
    at_s: float
    """The loop's time."""


class ClockSteps:
    """Notices, by the loop's own time, that the machine's clock was set."""

    def __init__(self) -> None:
        self._before: tuple[int, float] | None = None
        self.count = 0
        self.last: ClockStep | None = None

    def look(self, wall_us: int, now_s: float) -> None:
        """Compares both clocks with the last look. ``now_s`` is the loop's time."""
        if self._before is not None:
            then_us, then_s = self._before
            off_us = wall_us - then_us - round((now_s - then_s) * 1e6)
            if abs(off_us) > CLOCK_STEP_US:
                self.count += 1
                self.last = ClockStep(off_us / 1e6, now_s)
        self._before = wall_us, now_s


def clock_check(step: ClockStep | None, now_s: float, *, agents: int, agents_off: int) -> Check:
    """Whether the machine's clock is right, as far as the headend can know.

    ``agents`` counts the connected agents, and ``agents_off`` those that disagree with the clock.
    """
    if agents >= AGENTS_ASKED and agents_off > agents / 2:
        said = f"{agents_off} of {agents} agents are more than a minute off it: see timedatectl"
        return Check("clock", Health.DEGRADED, said)
    if step is not None and now_s - step.at_s < STEP_SHOWN_S:
        ago_s = now_s - step.at_s
        said = f"was set by {step.by_s:+.1f} s, {ago_s / 60:.0f} min ago: see timedatectl"
        return Check("clock", Health.DEGRADED, said)
    return Check("clock", Health.READY, f"{agents_off} of {agents} agents are a minute off it")

"""What is counted of an asset, or of several: in an hour, in a window. Pure."""

from dataclasses import dataclass, field, replace
from typing import Self

from derhead.service_levels.latencies import Latencies


@dataclass(slots=True, kw_only=True)
class LevelCounts:
    """Counts of a stretch of time. Lengths are microseconds, and all only grow."""

    down_us: int = 0
    """Time in which no headend ran."""
    fresh_us: int = 0
    """Time with fresh telemetry."""
    held_us: int = 0
    """Time in which a connected agent held the asset."""
    reconnects: int = 0
    outages: int = 0
    """Stretches without fresh telemetry that began in this time."""
    longest_us: int = 0
    """The longest stretch without fresh telemetry that ended in this time or lasts beyond it. It
    counts from its beginning, even before this time."""
    received: Latencies = field(default_factory=Latencies)
    """Of dispatches, to the first answer of the agent."""
    started: Latencies = field(default_factory=Latencies)
    """Of dispatches, to the device."""

    def add_counts(self, other: "LevelCounts") -> None:
        """Adds what was counted in another time, or of another asset."""
        self.down_us += other.down_us
        self.fresh_us += other.fresh_us
        self.held_us += other.held_us
        self.reconnects += other.reconnects
        self.outages += other.outages
        self.longest_us = max(self.longest_us, other.longest_us)
        self.received.add(other.received)
        self.started.add(other.started)

    def copy(self) -> Self:
        """The counts as they are now."""
        return replace(self, received=self.received.copy(), started=self.started.copy())

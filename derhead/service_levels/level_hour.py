"""One asset's service levels of one hour, as the journal keeps them: pure."""

from dataclasses import dataclass, field, replace

from derhead.service_levels.latencies import Latencies

HOUR_US = 3_600_000_000


@dataclass(slots=True)
class LevelHour:
    """What happened to an asset in one hour of UTC, up to ``until_us``.

    Times are microseconds since the epoch, by the headend's clock; lengths are microseconds. All
    counts only grow.
    """

    asset_id: str
    hour_us: int
    """The beginning of the hour."""
    from_us: int
    """From when on it counts."""
    until_us: int
    """Up to when it is counted."""
    continues: bool = False
    """It continues an earlier hour: in hours between them that have no record, no headend ran.
    Otherwise the asset began to count in this hour."""
    seen_us: int = 0
    """Time in which a headend ran."""
    down_us: int = 0
    """Time in which none ran."""
    fresh_us: int = 0
    """Of ``seen_us``, the time with fresh telemetry."""
    held_us: int = 0
    """Of ``seen_us``, the time in which a connected agent held the asset."""
    reconnects: int = 0
    outages: int = 0
    """Stretches without fresh telemetry that began in this hour."""
    longest_us: int = 0
    """The longest stretch without fresh telemetry that ended in this hour or lasts beyond it. It
    counts from its beginning, even in an earlier hour."""
    stale_from_us: int | None = None
    """Since when there is no fresh telemetry, at ``until_us``; None = it is fresh."""
    received: Latencies = field(default_factory=Latencies)
    """Of dispatches, to the first answer of the agent."""
    started: Latencies = field(default_factory=Latencies)
    """Of dispatches, to the device."""

    @property
    def end_us(self) -> int:
        """The end of the hour, exclusive."""
        return self.hour_us + HOUR_US

    def take_earlier(self, earlier: "LevelHour") -> None:
        """Adds a part of the same hour that was counted before this one."""
        self.from_us, self.continues = earlier.from_us, earlier.continues
        self.seen_us += earlier.seen_us
        self.down_us += earlier.down_us
        self.fresh_us += earlier.fresh_us
        self.held_us += earlier.held_us
        self.reconnects += earlier.reconnects
        self.outages += earlier.outages
        self.longest_us = max(self.longest_us, earlier.longest_us)
        self.received.add(earlier.received)
        self.started.add(earlier.started)

    def copy(self) -> "LevelHour":
        """The hour as it is now."""
        return replace(self, received=self.received.copy(), started=self.started.copy())


def hour_of(us: int) -> int:
    """The beginning of the hour of a time."""
    return us // HOUR_US * HOUR_US

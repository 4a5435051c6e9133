"""Sums of service levels: the hours of an asset, and several assets together. Pure."""

from dataclasses import dataclass

from derhead.service_levels.level_counts import LevelCounts
from derhead.service_levels.level_hour import HOUR_US, LevelHour


@dataclass(slots=True)
class LevelSums(LevelCounts):
    """What happened to assets within a window. Lengths of several assets are added up."""

    assets: int = 0
    """Assets that count."""
    from_us: int | None = None
    """From when on the first of them counts, microseconds since the epoch; None = none does."""
    counted_us: int = 0
    """All the time, also that without a headend."""

    @property
    def telemetry(self) -> float | None:
        """The share of time with fresh telemetry; None if no time counts."""
        return self.fresh_us / self.counted_us if self.counted_us else None

    @property
    def availability(self) -> float | None:
        """The share of time in which a connected agent held the asset."""
        return self.held_us / self.counted_us if self.counted_us else None

    @property
    def dispatch(self) -> float | None:
        """The share of dispatches in time, on the way where fewer were; None without any."""
        ways = [way for way in (self.received, self.started) if way.total]
        return min((1 - way.late / way.total for way in ways), default=None)

    def add(self, other: "LevelSums") -> None:
        """Adds another's sums."""
        self.assets += other.assets
        if other.from_us is not None:
            self.from_us = min(other.from_us, self.from_us or other.from_us)
        self.counted_us += other.counted_us
        self.add_counts(other)


class AssetHours:
    """Adds up one asset's hours, oldest first.

    An hour without a record is one in which no headend ran, unless the asset began to count only
    after it.
    """

    def __init__(self, window_us: int | None = None) -> None:
        self.sums = LevelSums()
        self._next_us = window_us
        """The end of the last hour that was added; before that the beginning of the window, which
        is an hour's, or None if it is not known."""

    def add(self, hour: LevelHour) -> None:
        """Adds an hour; one from before the window, or one that was added already, adds nothing."""
        sums, from_us, next_us = self.sums, hour.from_us, self._next_us
        if next_us is not None:
            if hour.hour_us < next_us:
                return
            if hour.continues:
                from_us = next_us
                sums.counted_us += hour.hour_us - next_us
                sums.down_us += hour.hour_us - next_us
        if sums.from_us is None:
            sums.from_us, sums.assets = from_us, 1
        self._next_us = hour.hour_us + HOUR_US
        sums.counted_us += hour.seen_us + hour.down_us
        sums.add_counts(hour)

    def copy(self) -> "AssetHours":
        found = AssetHours(self._next_us)
        found.sums = self.sums.copy()
        return found

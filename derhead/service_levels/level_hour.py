"""One asset's service levels of one hour, as the journal keeps them: pure."""

from dataclasses import dataclass

from derhead.service_levels.level_counts import LevelCounts

HOUR_US = 3_600_000_000


@dataclass(slots=True)
class LevelHour(LevelCounts):
    """What happened to an asset in one hour of UTC, up to ``until_us``.

    Times are microseconds since the epoch, by the headend's clock.
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
    """Time in which a headend ran; ``fresh_us`` and ``held_us`` are parts of it."""
    stale_from_us: int | None = None
    """Since when there is no fresh telemetry, at ``until_us``; None = it is fresh."""

    @property
    def end_us(self) -> int:
        """The end of the hour, exclusive."""
        return self.hour_us + HOUR_US

    def take_earlier(self, earlier: "LevelHour") -> None:
        """Adds a part of the same hour that was counted before this one."""
        self.from_us, self.continues = earlier.from_us, earlier.continues
        self.seen_us += earlier.seen_us
        self.add_counts(earlier)


def hour_of(us: int) -> int:
    """The beginning of the hour of a time."""
    return us // HOUR_US * HOUR_US

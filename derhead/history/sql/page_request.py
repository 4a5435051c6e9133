"""Which part of a history is wanted: a time range, and a page of it. Pure."""

from dataclasses import dataclass

MIN_US, END_US = -(2**62), 2**62
"""All times lie between these two. An open end of a range stands for one of them."""

MAX_STEP_OR_LIMIT = 10**16
"""Larger values (300 years of microseconds) would overflow the stores' integers in a sum."""


def check_positive(**values: int) -> None:
    """Raises: ValueError naming the value that no statement takes."""
    for name, value in values.items():
        if not 1 <= value <= MAX_STEP_OR_LIMIT:
            raise ValueError(f"{name} is {value}; it must be 1..{MAX_STEP_OR_LIMIT}")


@dataclass(frozen=True, slots=True)
class TimeRange:
    """A range of time in microseconds since the epoch."""

    from_us: int | None = None
    """Inclusive; None = from the beginning."""
    to_us: int | None = None
    """Exclusive; None = without end."""

    @property
    def low_us(self) -> int:
        """The beginning as an integer that every store takes."""
        return MIN_US if self.from_us is None else min(max(self.from_us, MIN_US), END_US)

    @property
    def high_us(self) -> int:
        """The end as an integer that every store takes."""
        return END_US if self.to_us is None else min(max(self.to_us, MIN_US), END_US)

    @property
    def is_empty(self) -> bool:
        return self.from_us is not None and self.to_us is not None and self.from_us >= self.to_us

    def until(self, to_us: int) -> "TimeRange":
        """The part of the range before that time."""
        return TimeRange(self.from_us, to_us if self.to_us is None else min(self.to_us, to_us))


EVER = TimeRange()
"""All of the past."""


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A page of a history, newest first. Raises: ValueError for a limit out of range."""

    limit: int
    """Items of the page at most."""
    within: TimeRange = EVER
    cursor: str | None = None
    """Where the page begins: the ``next_cursor`` of the page before; None = the newest item."""

    def __post_init__(self) -> None:
        check_positive(limit=self.limit)

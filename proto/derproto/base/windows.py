"""Windows of time, in which orders hold. Pure.

The rules, which headend and agent share:

- A window is half-open: its start belongs to it, its end does not. So of two windows that only
  meet, one ends before the other begins, and they do not overlap.
- A window without an end holds until something replaces it.
- A window whose end is not after its start is empty: it contains no moment and overlaps nothing.
- Late delivery shortens a window and never moves it: what remains is counted from now to the end.
"""

from typing import NamedTuple


class Window(NamedTuple):
    """A stretch of time with a start and, if it is known, an end.

    Units: microseconds, both by one clock. Only windows of the same clock compare.
    """

    start_us: int
    end_us: int | None = None
    """Exclusive; None = no end."""

    @classmethod
    def lasting(cls, start_us: int, duration_us: int | None) -> "Window":
        """The window of that length; None = no end."""
        return cls(start_us, None if duration_us is None else start_us + duration_us)

    @property
    def duration_us(self) -> int | None:
        """Its length; None = no end. Not above 0 if the window is empty."""
        return None if self.end_us is None else self.end_us - self.start_us

    def is_over(self, now_us: int) -> bool:
        """Whether it has ended by then."""
        return self.end_us is not None and self.end_us <= now_us

    def overlaps(self, other: "Window") -> bool:
        """Whether some moment belongs to both."""
        start_us = max(self.start_us, other.start_us)
        return not self.is_over(start_us) and not other.is_over(start_us)

    def remaining(self, now_us: int) -> "Window":
        """The part of the window from ``now_us`` on; the whole window if it has not begun."""
        return self if now_us <= self.start_us else Window(now_us, self.end_us)

    def expires_us(self, ordered_us: int, wait_us: int) -> int:
        """When an order for this window expires, if the order still waits for its agent.

        The wait counts from the later of order and start, and ends with the window at the latest.
        """
        expires_us = max(ordered_us, self.start_us) + wait_us
        return expires_us if self.end_us is None else min(expires_us, self.end_us)

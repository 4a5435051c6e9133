"""Gaps in the samples of assets, summed up by their cause. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from derhead.gaps import GapRecord, HoleCause, is_reported


@dataclass(slots=True)
class CauseCount:
    """Gaps of one cause."""

    gaps: int = 0
    missing_us: int = 0
    """Their length within the window, microseconds."""
    unfilled: int = 0
    """Gaps that no backfill has closed."""


@dataclass(slots=True)
class GapSums:
    """Gaps within a window, by cause. A gap that lasts has its length so far."""

    ended: dict[HoleCause, CauseCount] = field(default_factory=dict)
    lasting: list[tuple[HoleCause, int]] = field(default_factory=list)
    """Gaps without an end: the cause, and the beginning within the window."""

    @classmethod
    def of(cls, gaps: Iterable[GapRecord], from_us: int) -> "GapSums":
        """Sums up the gaps that reach into the window from ``from_us`` on.

        An agent's report of a gap only explains one that the ledger has anyway.
        """
        found = cls()
        for gap in gaps:
            if is_reported(gap.id):
                continue
            start_us = max(gap.start_us, from_us)
            if gap.end_us is None:
                found.lasting.append((gap.cause, start_us))
                continue
            count = found.ended.setdefault(gap.cause, CauseCount())
            count.gaps += 1
            count.missing_us += max(gap.end_us - start_us, 0)
            count.unfilled += not gap.backfilled
        return found

    def add(self, other: "GapSums") -> None:
        """Adds another's gaps."""
        for cause, theirs in other.ended.items():
            count = self.ended.setdefault(cause, CauseCount())
            count.gaps += theirs.gaps
            count.missing_us += theirs.missing_us
            count.unfilled += theirs.unfilled
        self.lasting += other.lasting

    def counts(self, now_us: int) -> Iterator[tuple[HoleCause, CauseCount]]:
        """Every cause that has gaps, with those that last until now."""
        for cause in HoleCause:
            known = self.ended.get(cause, CauseCount())
            count = CauseCount(known.gaps, known.missing_us, known.unfilled)
            for lasting, start_us in self.lasting:
                if lasting is cause:
                    count.gaps += 1
                    count.missing_us += max(now_us - start_us, 0)
                    count.unfilled += 1
            if count.gaps:
                yield cause, count

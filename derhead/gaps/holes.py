"""Holes in an asset's history, and how samples fill them. Pure.

A *hole* is a stretch without samples that is longer than two samples may lie apart. A sample lies
at each of its edges. Backfill comes in the order of measurement, and each sample moves the lower
edge up. A sample too far above the lower edge cuts the hole in two: the lower part is missing, the
upper part is still awaited.

A hole is drawn as a ``GapRecord`` that begins where the hole first began. If agents reported why a
part of the hole is missing, it is drawn as several records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from derhead.gaps.record import FOREVER_US, GapRecord, HoleCause, hole_id, rank


class Origin(NamedTuple):
    """Who measured a sample: an agent in one of its boots."""

    agent_id: str
    boot_id: int


def restarted(low: Origin | None, high: Origin | None) -> bool:
    """Whether the agent was started again between the two samples."""
    return (
        low is not None
        and high is not None
        and low.agent_id == high.agent_id
        and low.boot_id != high.boot_id
    )


@dataclass(frozen=True, slots=True)
class GapLimits:
    """How far apart two samples may lie, microseconds."""

    hole_us: int
    """Samples further apart have a hole between them: two and a half telemetry periods."""
    restart_us: int
    """The same if the agent was started again in between: one and a half periods, because a
    boot begins its own grid of measurements."""
    silent_us: int
    """An asset that is silent for longer is ``stale`` and has a gap without an end."""

    @classmethod
    def of_period(cls, period_ms: int, silent_us: int) -> "GapLimits":
        return cls(period_ms * 2_500, period_ms * 1_500, silent_us)

    def between(self, low: Origin | None, high: Origin | None) -> int:
        return self.restart_us if restarted(low, high) else self.hole_us


@dataclass(frozen=True, slots=True)
class ReportedGap:
    """A gap that an agent reported."""

    id: str
    origin: Origin
    cause: HoleCause
    start_us: int
    end_us: int | None
    """None = it goes on."""
    rows: int
    revision: int

    def is_ended_by(self, ts_us: int, origin: Origin) -> bool:
        """Whether the gap goes on, and a measured sample shows that it is over.

        A sample of the reporting boot shows the end of a device's gap only: it may have been sent
        before another report, and may be dated by a clock that was set back.
        """
        if self.end_us is not None:
            return False
        return origin != self.origin or (self.cause is HoleCause.DEVICE and ts_us > self.start_us)

    def is_ended_by_report(self, later: "ReportedGap") -> bool:
        """Whether the gap goes on, and another boot has begun to report the same silence."""
        return (
            self.end_us is None
            and later.origin != self.origin
            and later.cause is self.cause
            and later.start_us > self.start_us
        )

    def ended(self, ts_us: int) -> "ReportedGap":
        """The gap with its end, and with the revision in which its agent will report the end."""
        return replace(self, end_us=max(self.start_us, ts_us), revision=self.revision + 1)

    @property
    def rank(self) -> tuple[int, int]:
        """Of two reports of one gap, the one with the higher rank is right."""
        return rank(self.revision, self.end_us)

    def overlaps(self, hole: "Hole") -> bool:
        return self.start_us < hole.until_us and (self.end_us or FOREVER_US) > hole.low_us

    def record(self, asset_id: str) -> GapRecord:
        """The record of the report itself."""
        return GapRecord(
            id=self.id,
            asset_id=asset_id,
            agent_id=self.origin.agent_id,
            start_us=self.start_us,
            end_us=self.end_us,
            cause=self.cause,
            rows=self.rows or None,
            backfilled=False,
            filled_us=None,
            revision=self.revision,
            noticed_us=0,
        )


@dataclass(eq=False, slots=True)
class Hole:
    """A stretch without samples, and below it the part that samples have filled."""

    asset_id: str
    start_us: int
    """Where it first began. Samples have filled it from here to ``low_us``."""
    low_us: int
    low: Origin | None
    """Who measured the sample at the lower edge; None = not known."""
    high_us: int | None
    """None = no sample has come after it."""
    high: Origin | None
    stopped_by: HoleCause
    """Why samples stopped. The filled part has this cause, and so has the rest, unless the two
    edges show a restart."""
    noticed_us: int
    shown: dict[str, GapRecord] = field(default_factory=dict)
    """The records that were last drawn of the hole, by id."""

    @property
    def until_us(self) -> int:
        return FOREVER_US if self.high_us is None else self.high_us

    @property
    def cause(self) -> HoleCause:
        """Why samples are missing between its edges."""
        is_restart = restarted(self.low, self.high)
        return HoleCause.AGENT_RESTART if is_restart else self.stopped_by

    @property
    def id(self) -> str:
        return hole_id(self.asset_id, self.start_us)

    def record(
        self, start_us: int, end_us: int | None, cause: HoleCause, filled_us: int | None
    ) -> GapRecord:
        """The record of a part of it, without a revision."""
        return GapRecord(
            id=hole_id(self.asset_id, start_us),
            asset_id=self.asset_id,
            agent_id=self.low.agent_id if self.low else None,
            start_us=start_us,
            end_us=end_us,
            cause=cause,
            rows=None,
            backfilled=filled_us is not None and filled_us == end_us,
            filled_us=filled_us,
            revision=0,
            noticed_us=self.noticed_us,
        )

    def reopen(self, edge_us: int, edge: Origin) -> None:
        """Makes it last: its upper edge is no sample, nor is its lower one if it is above ``edge``,
        which is the newest sample."""
        self.high_us = self.high = None
        if self.low_us > edge_us:
            self.start_us, self.low_us, self.low = edge_us, edge_us, edge

    def filled(self) -> list[GapRecord]:
        """The filled part, as a gap that is over; empty if there is none."""
        if self.low_us == self.start_us:
            return []
        return [self.record(self.start_us, self.low_us, self.stopped_by, self.low_us)]

    def draw(self, reports: Iterable[ReportedGap], limits: GapLimits) -> list[GapRecord]:
        """The records of the parts that no report explains."""
        pieces = self._unexplained(reports, limits.between(self.low, self.high))
        begins = bool(pieces) and pieces[0][0] == self.low_us
        records = [] if begins else self.filled()
        for start_us, end_us in pieces:
            if start_us == self.low_us:
                filled_us = self.low_us if self.low_us > self.start_us else None
                records.append(self.record(self.start_us, end_us, self.cause, filled_us))
            else:
                records.append(self.record(start_us, end_us, self.cause, None))
        return records

    def cut(self, ts_us: int, origin: Origin, limits: GapLimits) -> "CutHole":
        """Puts a sample strictly between the hole's two edges.

        If only one part is left, this hole itself becomes that part.
        """
        high_us = self.until_us
        leaves_low = ts_us - self.low_us > limits.between(self.low, origin)
        leaves_high = high_us - ts_us > limits.between(origin, self.high)
        if not leaves_low and not leaves_high:
            filled = self.record(self.start_us, high_us, self.stopped_by, high_us)
            return CutHole((), (filled,))
        if not leaves_low:
            self.low_us, self.low = ts_us, origin
            return CutHole((self,), ())
        if not leaves_high:
            self.high_us, self.high = ts_us, origin
            return CutHole((self,), ())
        upper = Hole(
            self.asset_id,
            ts_us,
            ts_us,
            origin,
            self.high_us,
            self.high,
            self.stopped_by,
            self.noticed_us,
        )
        lower, closed = self.split_off(ts_us, origin)
        return CutHole((lower, upper), closed)

    def split_off(self, ts_us: int, origin: Origin) -> tuple["Hole", Sequence[GapRecord]]:
        """The part below a sample as a hole of its own, and the records of the filled part."""
        lower = Hole(
            self.asset_id,
            self.low_us,
            self.low_us,
            self.low,
            ts_us,
            origin,
            self.stopped_by,
            self.noticed_us,
        )
        return lower, self.filled()

    def _unexplained(
        self, reports: Iterable[ReportedGap], limit_us: int
    ) -> list[tuple[int, int | None]]:
        """The stretches between the edges that no report covers."""
        pieces: list[tuple[int, int | None]] = []
        at_us = self.low_us
        for each in sorted(reports, key=lambda each: each.start_us):
            if each.overlaps(self):
                if each.start_us - at_us > limit_us:
                    pieces.append((at_us, each.start_us))
                at_us = max(at_us, each.end_us or FOREVER_US)
        if at_us == self.low_us or self.until_us - at_us > limit_us:
            pieces.append((at_us, self.high_us))
        return pieces


class CutHole(NamedTuple):
    """A hole after a sample cut it."""

    holes: Sequence[Hole]
    """The remaining holes, the lower one first."""
    closed: Sequence[GapRecord]
    """The records of the parts that are over."""

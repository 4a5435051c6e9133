"""Holes in time, and what fills them: pure.

A *hole* is a stretch in which an asset has no sample, longer than two of its samples may lie
apart. It has an edge on either side, where there is a sample. Samples that come later, from
the agent's outbox, move its lower edge up as they come in the order in which they were
measured; one that leaves too much behind cuts the hole in two: of these the lower is what is
missing, and the upper what is still awaited.

What is said of a hole is drawn from it: a ``GapRecord`` that begins where the hole once did,
or several, where its agent has reported why a part of it is missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from derhead.gaps.record import Cause, GapRecord, hole_id

FOREVER_US = 2**62
"""Later than all times."""


class Origin(NamedTuple):
    """Who measured a sample: an agent, and which of its boots."""

    agent_id: str
    boot_id: int


def restarted(low: Origin | None, high: Origin | None) -> bool:
    """Whether the agent was started anew between the two samples."""
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
    """Farther, and there is a hole: two and a half telemetry periods."""
    restart_us: int
    """The same where the agent was started anew in between: one and a half. A grid begins
    anew then, and what is longer was lost or not measured."""
    silent_us: int
    """An asset of which nothing came for longer has a gap that lasts: it is ``stale``."""

    @classmethod
    def of_period(cls, period_ms: int, silent_us: int) -> "GapLimits":
        return cls(period_ms * 2_500, period_ms * 1_500, silent_us)

    def between(self, low: Origin | None, high: Origin | None) -> int:
        return self.restart_us if restarted(low, high) else self.hole_us


@dataclass(frozen=True, slots=True)
class Told:
    """A gap that an agent reported. ``end_us`` None: it goes on."""

    id: str
    origin: Origin
    cause: Cause
    start_us: int
    end_us: int | None
    rows: int
    revision: int

    def lasts_for_another(self, origin: Origin) -> bool:
        """Whether it goes on, as far as another agent or boot than that one knew."""
        return self.end_us is None and self.origin != origin

    def overlaps(self, hole: "Hole") -> bool:
        return self.start_us < hole.until_us and (self.end_us or FOREVER_US) > hole.low_us


@dataclass(eq=False, slots=True)
class Hole:
    """A stretch without samples, above what was filled of it so far."""

    asset_id: str
    start_us: int
    """Where it began; what lies between here and ``low_us`` was filled."""
    low_us: int
    low: Origin | None
    """Who measured the sample at the lower edge; None if it is not known."""
    high_us: int | None
    """None while no sample came after it."""
    high: Origin | None
    because: Cause
    """What broke off the samples: the cause, as far as the edges do not tell, and in any case
    of what was filled."""
    noticed_us: int
    shown: dict[str, GapRecord] = field(default_factory=dict)
    """What was last drawn of it, by id."""

    @property
    def until_us(self) -> int:
        return FOREVER_US if self.high_us is None else self.high_us

    @property
    def cause(self) -> Cause:
        """Why there is nothing between its edges."""
        return Cause.AGENT_RESTART if restarted(self.low, self.high) else self.because

    @property
    def id(self) -> str:
        return hole_id(self.asset_id, self.start_us)

    def record(
        self, start_us: int, end_us: int | None, cause: Cause, filled_us: int | None
    ) -> GapRecord:
        """Of a stretch of it, as yet without a revision."""
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

    def filled(self) -> list[GapRecord]:
        """What was filled of it, as a gap that is over."""
        if self.low_us == self.start_us:
            return []
        return [self.record(self.start_us, self.low_us, self.because, self.low_us)]

    def draw(self, told: Iterable[Told], limits: GapLimits) -> list[GapRecord]:
        """What is to be said of it, beside what its agent told."""
        pieces = _pieces(self, told, limits.between(self.low, self.high))
        begins = bool(pieces) and pieces[0][0] == self.low_us
        records = [] if begins else self.filled()
        for start_us, end_us in pieces:
            if start_us == self.low_us:
                filled_us = self.low_us if self.low_us > self.start_us else None
                records.append(self.record(self.start_us, end_us, self.cause, filled_us))
            else:
                records.append(self.record(start_us, end_us, self.cause, None))
        return records


def _pieces(hole: Hole, told: Iterable[Told], limit_us: int) -> list[tuple[int, int | None]]:
    """The stretches between a hole's edges that no agent explains."""
    pieces: list[tuple[int, int | None]] = []
    at_us = hole.low_us
    for each in sorted(told, key=lambda each: each.start_us):
        if each.overlaps(hole):
            if each.start_us - at_us > limit_us:
                pieces.append((at_us, each.start_us))
            at_us = max(at_us, each.end_us or FOREVER_US)
    if at_us == hole.low_us or hole.until_us - at_us > limit_us:
        pieces.append((at_us, hole.high_us))
    return pieces


class Cut(NamedTuple):
    """What a sample made of a hole."""

    holes: Sequence[Hole]
    """What remains of it, lower first."""
    closed: Sequence[GapRecord]
    """What is over."""


def cut(hole: Hole, ts_us: int, origin: Origin, limits: GapLimits) -> Cut:
    """Puts a sample into a hole that has both edges, strictly between them.

    The hole itself may go on, changed; then it is among those that remain.
    """
    high_us = hole.until_us
    leaves_low = ts_us - hole.low_us > limits.between(hole.low, origin)
    leaves_high = high_us - ts_us > limits.between(origin, hole.high)
    if not leaves_low and not leaves_high:
        filled = hole.record(hole.start_us, high_us, hole.because, high_us)
        return Cut((), (filled,))
    if not leaves_low:
        hole.low_us, hole.low = ts_us, origin
        return Cut((hole,), ())
    if not leaves_high:
        hole.high_us, hole.high = ts_us, origin
        return Cut((hole,), ())
    upper = Hole(
        hole.asset_id,
        ts_us,
        ts_us,
        origin,
        hole.high_us,
        hole.high,
        hole.because,
        hole.noticed_us,
    )
    lower, closed = split_off(hole, ts_us, origin)
    return Cut((lower, upper), closed)


def split_off(hole: Hole, ts_us: int, origin: Origin) -> tuple[Hole, Sequence[GapRecord]]:
    """What is missing below a sample, as a hole of its own, and what was filled below that."""
    closed = hole.filled()
    lower = Hole(
        hole.asset_id,
        hole.low_us,
        hole.low_us,
        hole.low,
        ts_us,
        origin,
        hole.because,
        hole.noticed_us,
    )
    return lower, closed

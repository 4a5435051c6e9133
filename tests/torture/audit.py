"""Judges a torture run from the accounts of meters, the stores and the gap ledger. Pure.

Each function returns faults in words; an empty list means that it found none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from derproto.der.v1 import QualityBit
from tests.torture.meters import Account, Reading, number_of
from tests.torture.plan import Harm

MEMORY_US = 10_000_000
"""How much time of readings an agent may keep in memory alone, and lose in a kill."""

LATE_US = 2_000_000
"""How much later than its reading a sample may be dated, on a busy machine."""

EDGE_US = 750_000
"""One and a half periods: a reported gap begins with the first missing sample and ends with the
last one."""

NEAR_US = 6_000_000
"""How long after a blow its consequences may begin: the time in which silence is noticed."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One sample in a store."""

    ts_us: int
    agent_id: str
    boot_id: str
    seq: int
    p_mw: float | None
    frequency_hz: float | None
    quality: int

    @property
    def fresh(self) -> bool:
        """True of a measured sample, false of a repeat of a silent device's last answer."""
        return not self.quality & QualityBit.STALE_DEVICE


@dataclass(frozen=True, slots=True)
class Gap:
    """One entry of the ledger."""

    start_us: int
    end_us: int | None
    cause: str
    backfilled: bool
    filled_us: int | None = None
    """The time up to which later samples have closed the gap."""

    @property
    def missing_us(self) -> int:
        """The time from which samples are missing."""
        return self.start_us if self.filled_us is None else self.filled_us

    def __str__(self) -> str:
        length = "open" if self.end_us is None else f"{(self.end_us - self.start_us) / 1e6:.2f} s"
        return f"{self.cause} at {self.start_us} ({length}, backfilled: {self.backfilled})"


@dataclass(frozen=True, slots=True)
class Struck:
    """A time span in which a harm struck an asset, or something that it depends on."""

    harm: Harm
    from_us: int
    to_us: int


CAUSES: Mapping[str, frozenset[Harm]] = {
    "link": frozenset(
        {
            *(Harm.CUT, Harm.STALL, Harm.HALF_OPEN, Harm.FREEZE_HEADEND),
            *(Harm.KILL_HEADEND, Harm.RESTART_HEADEND),
        }
    ),
    "headend_restart": frozenset({Harm.KILL_HEADEND, Harm.RESTART_HEADEND}),
    "agent_restart": frozenset({Harm.KILL_AGENT, Harm.RESTART_AGENT}),
    "device": frozenset({Harm.BREAK_DEVICE}),
}
"""The harms that explain a gap of each cause. No other cause may occur."""

UNMEASURED = frozenset({"device", "clock"})
"""Causes of gaps in which no device was read, so that no sample is missing."""


def wrong_samples(account: Account, stored: Iterable[Stored]) -> list[str]:
    """Samples that are stored twice, that no device gave, or that differ from their reading."""
    readings = {reading.number: reading for reading in account.readings}
    fresh = [each for each in stored if each.fresh]
    numbers = Counter(_number(each) for each in fresh)
    wrong = [f"reading {n} is stored {count} times" for n, count in numbers.items() if count > 1]
    for each in fresh:
        reading = readings.get(_number(each))
        if reading is None:
            wrong.append(f"no device ever gave {each}")
        elif reading.p_mw != each.p_mw or not 0 <= each.ts_us - reading.at_us < LATE_US:
            wrong.append(f"{reading} is stored as {each}")
    return wrong


def missing(account: Account, stored: Iterable[Stored], until_us: int) -> list[Reading]:
    """Readings up to that time that the store does not hold."""
    there = {_number(each) for each in stored if each.fresh}
    return [r for r in account.readings if r.at_us <= until_us and r.number not in there]


def unforgivable(missed: Iterable[Reading], kills: Sequence[Struck]) -> list[Reading]:
    """Missing readings that no kill of their agent explains: a kill costs ten seconds at most."""
    return [
        reading
        for reading in missed
        if not any(kill.from_us - MEMORY_US <= reading.at_us <= kill.to_us for kill in kills)
    ]


def holes(stored: Iterable[Stored], limit_us: int) -> Iterator[tuple[int, int]]:
    """The spans between two samples that are further apart than the limit."""
    times = sorted(each.ts_us for each in stored if each.fresh)
    return ((before, after) for before, after in pairwise(times) if after - before > limit_us)


def unexplained_holes(
    found: Iterable[tuple[int, int]],
    gaps: Sequence[Gap],
    missed: Sequence[Reading],
    strokes: Sequence[Struck],
) -> list[str]:
    """Holes that the ledger omits, shows in part, or explains with a wrong cause.

    A hole is none if the agent and the device were well and no reading was taken in it: before
    its first Welcome an agent measures at a period of its own.
    """
    wrong = []
    for start_us, end_us in found:
        due = _causes(start_us, end_us, missed, strokes)
        if not due:
            continue
        inside = [gap for gap in gaps if not gap.backfilled and _overlap(gap, start_us, end_us)]
        words = f"the hole at {start_us} of {(end_us - start_us) / 1e6:.2f} s"
        if any(length_us > EDGE_US for length_us in _uncovered(inside, start_us, end_us)):
            wrong.append(f"{words} is not in the ledger whole: {', '.join(map(str, inside))}")
        named = {gap.cause for gap in inside}
        if not named <= due:
            wrong.append(f"{words} has the causes {named}, and should have {due}")
    return wrong


def wrong_gaps(
    gaps: Iterable[Gap],
    stored: Iterable[Stored],
    missed: Sequence[Reading],
    strokes: Sequence[Struck],
) -> list[str]:
    """Entries that are no gap, never end, or have a cause that was never given.

    On a machine that is too busy an agent may not get to measure: then nothing is missing, and
    to the headend it looks as if a device had not answered, or a clock had been set.
    """
    times = sorted(each.ts_us for each in stored if each.fresh)
    wrong = []
    in_order = sorted(gaps, key=lambda each: each.start_us)
    for gap in in_order:
        if gap.end_us is None:
            wrong.append(f"{gap} has not ended")
            continue
        if not gap.backfilled and any(gap.missing_us < t < gap.end_us for t in times):
            wrong.append(f"there are samples in {gap}")
        taken = any(gap.missing_us < reading.at_us < gap.end_us for reading in missed)
        if gap.cause in UNMEASURED and not gap.backfilled and not taken:
            continue
        fitting = CAUSES.get(gap.cause, frozenset())
        began_us = _began_us(gap, in_order)
        if not any(
            stroke.harm in fitting
            and stroke.from_us - NEAR_US < gap.end_us
            and began_us < stroke.to_us + NEAR_US
            for stroke in strokes
        ):
            wrong.append(f"nothing was done that explains {gap}")
    return wrong


def _began_us(gap: Gap, in_order: Sequence[Gap]) -> int:
    """Where the hole began that the gap is a piece of: pieces of one cause that meet, or that have
    only the agent's restart between them."""
    began_us = reached_us = gap.start_us
    for other in reversed(in_order):
        meets = other.end_us is not None and abs(other.end_us - reached_us) <= EDGE_US
        if meets and other.cause in (gap.cause, "agent_restart") and other.start_us < reached_us:
            reached_us = other.start_us
            if other.cause == gap.cause:
                began_us = reached_us
    return began_us


def _number(stored: Stored) -> int:
    return -1 if stored.frequency_hz is None else number_of(stored.frequency_hz)


def _overlap(gap: Gap, start_us: int, end_us: int) -> bool:
    return gap.missing_us < end_us and (gap.end_us is None or gap.end_us > start_us)


def _uncovered(gaps: Iterable[Gap], start_us: int, end_us: int) -> Iterator[int]:
    """The lengths of what is in none of the gaps."""
    reached_us = start_us
    for gap in sorted(gaps, key=lambda each: each.missing_us):
        yield gap.missing_us - reached_us
        reached_us = max(reached_us, end_us if gap.end_us is None else gap.end_us)
    yield end_us - reached_us


def _causes(
    start_us: int, end_us: int, missed: Sequence[Reading], strokes: Sequence[Struck]
) -> set[str]:
    """What the hole may be put down to; nothing if its device was just not asked."""
    due = {
        cause
        for cause in ("agent_restart", "device")
        for stroke in strokes
        if stroke.harm in CAUSES[cause] and stroke.from_us < end_us and start_us < stroke.to_us
    }
    if any(start_us < reading.at_us < end_us for reading in missed):
        due.add("agent_restart")
    return due

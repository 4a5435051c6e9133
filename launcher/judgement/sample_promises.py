"""Samples: none lost, every hole and every gap explained: pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from launcher.drills.fault_kinds import FaultKind
from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import (
    DeviceNote,
    Evidence,
    KeptSample,
    ShownGap,
    StruckFault,
)
from launcher.judgement.fault_times import FaultTimes, S, strikes_process_of

MEMORY_US = 10 * S
"""How much time of readings an agent may keep in memory alone, and lose in a kill."""

DATED_US = 5 * S
"""How much later than its reading a sample may be dated, on a busy machine."""

HOLE_PERIODS = 2.5
"""Two samples that are further apart, in telemetry periods, have a hole between them."""

NEAR_US = 6 * S
"""How long before its first sign a fault may explain a gap: a gap begins with the last sample."""

_STOPS = frozenset({FaultKind.KILL, FaultKind.RESTART})


@dataclass(frozen=True, slots=True)
class Matched:
    """The readings of a device beside the samples of its history."""

    missing: tuple[DeviceNote, ...]
    """Readings without a sample."""
    whole: int
    """Readings with one sample, which is equal."""
    wrong: tuple[tuple[int, str], ...]
    """When and how a sample differs from the readings."""


def match_samples(notes: Iterable[DeviceNote], kept: Iterable[KeptSample]) -> Matched:
    """Finds each reading's sample by its frequency and its time.

    A simulated device repeats its noise in each life of its agent, so the frequency is not enough.
    """
    by_name: dict[float | None, list[KeptSample]] = defaultdict(list)
    for sample in kept:
        by_name[sample.frequency_hz].append(sample)
    missing, wrong, whole = [], [], 0
    for note in notes:
        if note.did != "read":
            continue
        same = by_name[note.frequency_hz]
        mine = [each for each in same if -1_000 <= each.at_us - note.at_us <= DATED_US]
        for sample in mine:
            same.remove(sample)
        if not mine:
            missing.append(note)
        elif len(mine) > 1:
            wrong.append((note.at_us, "is in its history twice"))
        elif mine[0].p_mw != note.mw:
            wrong.append((note.at_us, "is in its history with another power"))
        else:
            whole += 1
    strange = [sample.at_us for left in by_name.values() for sample in left]
    wrong += [(at_us, "is in its history, and no device gave it") for at_us in strange]
    return Matched(tuple(missing), whole, tuple(wrong))


def judge_samples(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Compares each device's readings with the headend's history."""
    book = CaseBook(Promise.SAMPLES, times.under)
    for asset_id, asset in evidence.assets.items():
        agent_id = evidence.agent_of[asset_id]
        matched = match_samples(evidence.notes.get(asset_id, ()), evidence.kept.get(asset_id, ()))
        book.kept(matched.whole)
        for reading in matched.missing:
            # What was measured after the plan's end may still be under way.
            if reading.at_us > evidence.ended_us:
                continue
            if _forgiven(evidence, times, asset_id, reading):
                book.kept()
            else:
                what = f"a reading of {asset.name} is not in its history"
                book.broken(reading.at_us, what, agent=agent_id)
        for at_us, how in matched.wrong:
            book.broken(at_us, f"a sample of {asset.name} {how}", agent=agent_id)
    return book.judgement()


def _readings(evidence: Evidence, asset_id: str) -> list[DeviceNote]:
    """The readings that the history must have by now."""
    return [
        note
        for note in evidence.notes.get(asset_id, ())
        if note.did == "read" and note.at_us <= evidence.ended_us
    ]


def _forgiven(evidence: Evidence, times: FaultTimes, asset_id: str, reading: DeviceNote) -> bool:
    """Whether a kill of its agent explains that a reading is missing.

    On a full disk an agent keeps its readings in memory alone.
    """
    agent_id = evidence.agent_of[asset_id]
    struck = [each for each in times.on_path(agent_id) if strikes_process_of(each, agent_id)]
    for kill in struck:
        if kill.kind is not FaultKind.KILL:
            continue
        from_us = kill.from_us - MEMORY_US
        for full in struck:
            if full.kind is FaultKind.DISK_FULL and full.to_us + MEMORY_US > kill.from_us:
                from_us = min(from_us, full.from_us - MEMORY_US)
        if from_us <= reading.at_us <= kill.to_us:
            return True
    return False


def judge_gaps(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Compares the gap ledger with the holes in the history, and with the faults."""
    book = CaseBook(Promise.GAPS, times.under)
    for asset_id, asset in evidence.assets.items():
        agent_id = evidence.agent_of[asset_id]
        gaps = evidence.gaps.get(asset_id, ())
        for from_us, to_us in _holes(evidence, asset_id):
            if _covered(gaps, from_us, to_us, round(1.5 * evidence.period_s * S)):
                book.kept()
            else:
                long_s = (to_us - from_us) / S
                what = f"a hole of {long_s:.1f} s in the history of {asset.name} is in no gap"
                book.broken(from_us, what, agent=agent_id)
        for gap in gaps:
            if gap.start_us >= evidence.ended_us or gap.start_us < evidence.began_us:
                continue
            if gap.end_us is None:
                what = f"a gap of {asset.name} has not ended"
                book.broken(gap.start_us, what, agent=agent_id)
            elif _explained(evidence, times, agent_id, gap) or times.late(gap.start_us, gap.end_us):
                book.kept()
            else:
                what = f"a gap of {asset.name} has the cause {gap.cause}, and no such fault"
                book.broken(gap.start_us, what, agent=agent_id)
    return book.judgement()


def _holes(evidence: Evidence, asset_id: str) -> Iterator[tuple[int, int]]:
    """The holes in which the device was read: without a reading, no sample is missing."""
    limit_us = round(HOLE_PERIODS * evidence.period_s * S)
    times_us = sorted(
        sample.at_us
        for sample in evidence.kept.get(asset_id, ())
        if evidence.began_us <= sample.at_us <= evidence.ended_us
    )
    readings = [each.at_us for each in _readings(evidence, asset_id)]
    for before_us, after_us in pairwise(times_us):
        # A sample is dated just after its reading.
        first = bisect_left(readings, before_us + S)
        inside = first < len(readings) and readings[first] < after_us - S
        if after_us - before_us > limit_us and inside:
            yield before_us, after_us


def _covered(gaps: Sequence[ShownGap], from_us: int, to_us: int, edge_us: int) -> bool:
    """Whether gaps without samples cover the hole, but for an edge at each end."""
    reached_us = from_us
    for gap in sorted(gaps, key=lambda each: each.start_us):
        if gap.backfilled or (gap.end_us is not None and gap.end_us <= from_us):
            continue
        start_us = gap.start_us if gap.filled_us is None else gap.filled_us
        if start_us > reached_us + edge_us:
            break
        reached_us = max(reached_us, to_us if gap.end_us is None else gap.end_us)
    return reached_us >= to_us - edge_us


def _explained(evidence: Evidence, times: FaultTimes, agent_id: str, gap: ShownGap) -> bool:
    assert gap.end_us is not None
    return any(
        _fits(gap.cause, fault, agent_id)
        and fault.from_us - NEAR_US <= gap.end_us
        and gap.start_us <= times.last_us(fault) + NEAR_US
        for fault in times.on_path(agent_id)
    )


def _fits(cause: str, fault: StruckFault, agent_id: str) -> bool:
    """Whether a fault of this kind leads to a gap of that cause."""
    of_process = strikes_process_of(fault, agent_id)
    match cause:
        case "link":
            return not of_process or fault.kind is FaultKind.FREEZE
        case "headend_restart":
            return fault.headend and fault.kind in _STOPS
        case "agent_restart":
            return of_process and fault.kind in _STOPS
        case "device":
            return of_process and fault.kind is FaultKind.FREEZE
        case _:
            return False

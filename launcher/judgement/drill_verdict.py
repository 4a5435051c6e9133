"""The verdict of a drill: every promise, the faults, and what could not be judged: pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from derproto.base.timefmt import format_us
from launcher.drills.promise import Promise
from launcher.judgement.case_book import PromiseJudgement
from launcher.judgement.event_promise import judge_events
from launcher.judgement.evidence import Evidence, StruckFault
from launcher.judgement.failsafe_promise import judge_failsafe
from launcher.judgement.fault_times import FaultTimes, S
from launcher.judgement.order_promises import (
    judge_dispatch,
    judge_once,
    judge_orders,
    judge_windows,
)
from launcher.judgement.process_promise import judge_processes
from launcher.judgement.sample_promises import judge_gaps, judge_samples
from launcher.judgement.telemetry_promises import judge_back, judge_telemetry

JUDGES: tuple[Callable[[Evidence, FaultTimes], PromiseJudgement], ...] = (
    judge_telemetry,
    judge_dispatch,
    judge_back,
    judge_samples,
    judge_orders,
    judge_once,
    judge_windows,
    judge_failsafe,
    judge_events,
    judge_processes,
    judge_gaps,
)


@dataclass(frozen=True, slots=True)
class DrillTitle:
    """Which drill it was."""

    plan: str
    about: str
    seed: int
    drill_s: float
    """Length of the plan's time, seconds."""
    version: str
    """Version of the software."""
    proves: tuple[Promise, ...] = ()
    """Promises for which the drill exists."""


@dataclass(frozen=True, slots=True)
class DrillVerdict:
    """What a drill says of each promise."""

    title: DrillTitle
    began_us: int
    ended_us: int
    judgements: tuple[PromiseJudgement, ...]
    faults: tuple[StruckFault, ...]
    blind: str | None
    """Why the drill can say nothing, although nothing was broken; None = it can."""
    late_s: float
    """Time that was not judged, because the machine was too slow to time anything."""

    @property
    def kept(self) -> bool:
        """Whether no promise was broken, and the observers saw all that they need."""
        return self.blind is None and all(each.kept is not False for each in self.judgements)

    def to_json(self) -> dict[str, object]:
        """The verdict as JSON."""
        return {
            "plan": self.title.plan,
            "about": self.title.about,
            "seed": self.title.seed,
            "for_s": self.title.drill_s,
            "version": self.title.version,
            "from": format_us(self.began_us),
            "to": format_us(self.ended_us),
            "kept": self.kept,
            "blind": self.blind,
            "not_judged_s": round(self.late_s, 3),
            "promises": [_judgement_json(each) for each in self.judgements],
            "faults": [_fault_json(each) for each in self.faults],
        }


def draw_verdict(title: DrillTitle, evidence: Evidence) -> DrillVerdict:
    """Judges the evidence."""
    times = FaultTimes(evidence)
    judgements = tuple(judge(evidence, times) for judge in JUDGES)
    return DrillVerdict(
        title=title,
        began_us=evidence.began_us,
        ended_us=evidence.ended_us,
        judgements=judgements,
        faults=tuple(sorted(evidence.faults, key=lambda fault: fault.from_us)),
        blind=_blind(evidence) or _unproven(title, judgements),
        late_s=sum(span.to_us - span.from_us for span in evidence.late) / S,
    )


def _blind(evidence: Evidence) -> str | None:
    if evidence.notes_missing:
        return f"{evidence.notes_missing} lines of the devices' records did not arrive"
    silent = [a.name for id, a in evidence.assets.items() if not evidence.notes.get(id)]
    if silent:
        return f"the device of {silent[0]} has no record"
    return None


def _unproven(title: DrillTitle, judgements: Iterable[PromiseJudgement]) -> str | None:
    """Which promise the drill was to prove, and says nothing of."""
    for each in judgements:
        if each.promise in title.proves and each.kept is None:
            return f"there was no case of {each.promise}; hold the drill for longer"
    return None


def _judgement_json(judgement: PromiseJudgement) -> Mapping[str, object]:
    at_us = judgement.worst_at_us
    return {
        "promise": judgement.promise.value,
        "kept": judgement.kept,
        "cases": judgement.cases,
        "broken": judgement.broken,
        "worst_s": None if judgement.worst_s is None else round(judgement.worst_s, 3),
        "limit_s": judgement.limit_s,
        "worst_at": None if at_us is None else format_us(at_us),
        "worst_under": judgement.worst_under or None,
        "breaches": [
            {"at": format_us(each.at_us), "what": each.what, "under": each.under or None}
            for each in judgement.breaches
        ],
    }


def _fault_json(fault: StruckFault) -> Mapping[str, object]:
    return {
        "kind": fault.kind.value,
        "target": fault.victim,
        "from": format_us(fault.from_us),
        "to": format_us(fault.to_us),
        "skipped": fault.skipped,
    }

"""What people read of a verdict."""

import io

from derproto.stdio.terminal import rendered
from launcher.drilling.drill_report import report
from launcher.drills.fault_kinds import FaultKind
from launcher.drills.promise import Promise
from launcher.judgement.case_book import Breach, PromiseJudgement
from launcher.judgement.drill_verdict import DrillTitle, DrillVerdict
from launcher.judgement.evidence import StruckFault
from tests.support.epoch import T0, S


def judgement(promise: Promise, cases: int, *breaches: Breach) -> PromiseJudgement:
    worst = 12.5 if breaches else 3.0
    return PromiseJudgement(
        *(promise, cases, len(breaches), breaches, worst, 10.0, T0, "cut of agent-01")
    )


def text(*judgements: PromiseJudgement, blind: str | None = None) -> str:
    skipped = StruckFault(FaultKind.DISK_FULL, "headend", (), True, T0, T0, "not permitted")
    title = DrillTitle("storm", "a storm", 7, 600.0, "0.1.0")
    verdict = DrillVerdict(title, T0, T0 + 600 * S, judgements, (skipped,), blind, 3.5)
    return rendered(io.StringIO(), *report(verdict))


def test_the_report_names_each_promise_its_worst_case_and_what_was_broken() -> None:
    breaches = [Breach(T0 + n * S, f"old {n}", "cut of agent-01" if n else "") for n in range(7)]
    shown = text(judgement(Promise.TELEMETRY, 900, *breaches), judgement(Promise.BACK, 0))
    lines = shown.splitlines()
    assert lines[0].split() == [
        *("promise", "verdict", "cases", "broken", "worst", "limit", "at", "under")
    ]
    assert lines[1].split()[:8] == [
        *("telemetry", "broken", "900", "7", "12.50", "s", "10.00", "s")
    ]
    assert lines[1].endswith("2027-01-15T08:00:00Z  cut of agent-01")
    assert lines[2].startswith("back       no case")
    assert lines[3] == "telemetry broken at 2027-01-15T08:00:00Z: old 0"
    assert lines[4].endswith("old 1, under cut of agent-01")
    assert lines[8] == "telemetry broken 2 more times"
    assert lines[9] == "not struck: disk-full of headend: not permitted"
    assert lines[10] == "not judged: 3.5 s, in which this machine was too slow"
    assert lines[11] == "storm, 600 s, seed 7, 0 faults: not all promises kept"


def test_the_last_line_says_whether_all_promises_were_kept() -> None:
    assert text(judgement(Promise.TELEMETRY, 3)).endswith("0 faults: all promises kept")
    blind = text(judgement(Promise.TELEMETRY, 3), blind="no record")
    assert "no verdict: no record" in blind
    assert blind.endswith("not all promises kept")

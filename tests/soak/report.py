"""The report of a run, as text and as JSON."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from tests.soak.account import Account, Violation
from tests.soak.growth import growth_a_day
from tests.soak.plan import DAY_S, Plan

SHOWN_EACH = 3
"""Violations of one promise that the text shows; the JSON has all that were kept."""

AROUND_S = 600.0
"""Acts of the plan so long before a violation are shown with it."""


def as_json(plan: Plan, account: Account) -> dict[str, Any]:
    """The whole report. Times are seconds of the run."""
    days = max(account.stopped_s, 1.0) / DAY_S
    return {
        "seed": plan.seed,
        "days": round(plan.seconds / DAY_S, 4),
        "agents": plan.agents,
        "assets": plan.assets,
        "digest": account.digest,
        "kept": not account.broken,
        "promises": {
            promise: {
                "tried": kept.tried,
                "held": kept.tried - account.broken[promise],
                "bound_s": kept.bound,
                "worst_s": None if kept.bound is None else kept.worst,
                "worst_at_s": None if kept.bound is None else kept.worst_at_s,
            }
            for promise, kept in sorted(account.kept.items())
        },
        "broken": dict(sorted(account.broken.items())),
        "violations": [
            {
                "at_s": each.at_s,
                "promise": each.promise,
                "what": each.words,
                "around": [f"{act.at_s:.0f} s: {words}" for act, words in _around(plan, each)],
            }
            for each in account.violations
        ],
        "acts": dict(sorted(account.acts.items())),
        "messages": account.messages,
        "samples_audited": account.samples,
        "orders": len(account.given),
        "dispatches": len(account.dispatches),
        "answers": {str(status): n for status, n in sorted(account.answers.items())},
        "agent_events": dict(sorted(account.events.items())),
        "gaps": dict(sorted(account.gaps.items())),
        "log_lines_a_day": round(account.log_lines.total() / days),
        "growth_a_day": {
            name: round(growth_a_day(account.looks, name), 4)
            for name in (
                "rss_bytes",
                "objects",
                "blocks",
                "tasks",
                "files",
                "journal_bytes",
                "outbox_rows",
            )
        },
        "last_look": asdict(account.looks[-1]) if account.looks else None,
    }


def as_text(plan: Plan, account: Account) -> Iterator[str]:
    """The report for people."""
    report = as_json(plan, account)
    yield (
        f"{report['days']:g} days, {plan.agents} agents, {plan.assets} assets, seed {plan.seed}:"
        f" {'every promise kept' if report['kept'] else 'promises broken'}"
    )
    yield ""
    for promise, kept in report["promises"].items():
        share = kept["held"] / kept["tried"] if kept["tried"] else 1.0
        trials = f"{kept['tried']:,} trial{'s' * (kept['tried'] != 1)}"
        if kept["worst_s"]:
            trials += f", worst {kept['worst_s']:.3f} s at {_clock(kept['worst_at_s'])}"
        yield f"  {share:8.4%}  {promise} ({trials})"
    for promise, times in report["broken"].items():
        yield f"  BROKEN {times:,} times: {promise}"
        for each in [each for each in account.violations if each.promise == promise][:SHOWN_EACH]:
            yield f"    at {_clock(each.at_s)}: {each.words}"
            for act, words in _around(plan, each):
                yield f"      {_clock(act.at_s)} {words}"
    yield ""
    yield "  " + ", ".join(f"{times:,} times {name}" for name, times in report["acts"].items())
    yield (
        f"  {report['messages']:,} messages of agents, {report['samples_audited']:,} samples"
        f" audited, {report['orders']:,} orders, {report['dispatches']:,} dispatches,"
        f" {report['log_lines_a_day']:,} log lines a day"
    )
    yield "  gaps: " + ", ".join(f"{n:,} {cause}" for cause, n in report["gaps"].items())
    growth = (f"{name} {share:+.2%}" for name, share in report["growth_a_day"].items())
    yield "  growth a day: " + ", ".join(growth)
    yield f"  digest {account.digest}"


def _around(plan: Plan, violation: Violation) -> Iterator[tuple[Any, str]]:
    for act in plan.acts:
        if act.at_s > violation.at_s + AROUND_S:
            return
        if act.at_s + act.for_s >= violation.at_s - AROUND_S:
            words = f"{act.kind.value} {act.target}"
            words += f" for {act.for_s:g} s" if act.for_s else ""
            words += f", {act.value:g}" if act.value else ""
            yield act, words


def _clock(at_s: float) -> str:
    day, rest = divmod(max(at_s, 0.0), DAY_S)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"day {int(day)} {int(hours):02}:{int(minutes):02}:{seconds:04.1f}"

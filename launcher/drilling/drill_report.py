"""The verdict of a drill for people: a line for each promise, then what was broken. Pure."""

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from derproto.base.timefmt import format_us
from derproto.stdio.terminal import columns
from launcher.judgement.case_book import PromiseJudgement
from launcher.judgement.drill_verdict import DrillVerdict

WORDS = {True: Text("kept", "green"), False: Text("broken", "bold red"), None: Text("no case")}

SHOWN = 5
"""Breaches of one promise that are shown; the verdict's file has more."""


def report(verdict: DrillVerdict) -> Iterator[Table | Text]:
    """The parts of the report, from top to bottom."""
    yield promise_table(verdict)
    for judgement in verdict.judgements:
        yield from _breaches(judgement)
    skipped = [fault for fault in verdict.faults if fault.skipped is not None]
    for fault in skipped:
        yield Text(f"not struck: {fault}: {fault.skipped}")
    if verdict.late_s:
        yield Text(f"not judged: {verdict.late_s:.1f} s, in which this machine was too slow")
    if verdict.blind is not None:
        yield Text(f"no verdict: {verdict.blind}", "bold red")
    struck = len(verdict.faults) - len(skipped)
    title = verdict.title
    yield Text(
        f"{title.plan}, {title.drill_s:g} s, seed {title.seed}, {struck} faults: "
        + ("all promises kept" if verdict.kept else "not all promises kept"),
        "bold green" if verdict.kept else "bold red",
    )


def promise_table(verdict: DrillVerdict) -> Table:
    """A line for each promise, with its worst case."""
    numbers = ("cases", "broken", "worst", "limit")
    table = columns("promise", "verdict", *numbers, "at", "under", words=2)
    for place in (6, 7):
        table.columns[place].justify = "left"
    for each in verdict.judgements:
        table.add_row(
            each.promise.value,
            WORDS[each.kept],
            str(each.cases),
            str(each.broken),
            _seconds(each.worst_s),
            _seconds(each.limit_s),
            "" if each.worst_at_us is None else format_us(each.worst_at_us),
            each.worst_under,
        )
    return table


def _breaches(judgement: PromiseJudgement) -> Iterator[Text]:
    for breach in judgement.breaches[:SHOWN]:
        under = f", under {breach.under}" if breach.under else ""
        yield Text(f"{judgement.promise} broken at {format_us(breach.at_us)}: {breach.what}{under}")
    more = judgement.broken - min(SHOWN, len(judgement.breaches))
    if more > 0:
        yield Text(f"{judgement.promise} broken {more} more times")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"

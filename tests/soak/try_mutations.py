"""``scripts/soak --mutations [NAME …]``: makes the daemons wrong, to find out what the soak sees.

Each mutation plays one day's plan, or as much of it as it takes. A mutation of orders plays the
same day with more of them. Without a mutation, both days keep every promise.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.soak.account import Account
from tests.soak.mutations import MUTATIONS, Mutation
from tests.soak.plan import HOUR_S, Plan, draw_plan
from tests.soak.play import play

SEED = 1981
"""The seed of the day's plan: nearly every kind of fault comes within its first eight hours."""

ASSETS = 20

BUSY = 4.0
"""On the busy day, orders are as many times more frequent."""

HOURS = (1.0, 3.0, 8.0, 24.0)
"""How much of the day's plan is played in turn, hours."""

MEMORY_FOLDER = Path("/dev/shm")

CAUGHT = Path(__file__).with_name("mutations") / "caught.json"
"""What was caught when, for the table in docs/soak.md."""

PAGE = Path(__file__).parents[2] / "docs" / "soak.md"
BEGIN, END = "<!-- mutations: drawn by scripts/soak -->\n", "<!-- mutations: end -->\n"
"""What stands around the table."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the judge said of one mutation."""

    name: str
    caught_by: tuple[str, ...] = ()
    """Every broken promise; if one broke during the run, which ends it, the first alone."""
    after_s: float | None = None
    """The earliest time of a violation, seconds of the run."""
    played_s: float = 0.0
    cpu_s: float = 0.0
    words: str = ""
    """The first violation."""

    @property
    def is_expected(self) -> bool:
        """Whether the table says as much."""
        breaks = MUTATIONS[self.name].breaks
        return bool(set(breaks) & set(self.caught_by)) if breaks else not self.caught_by


def try_mutation(mutation: Mutation, folder: Path) -> Outcome:
    """Plays more and more of the day's plan until the judge sees the mutation."""
    for hours in HOURS:
        outcome = Outcome(mutation.name)
        if hours >= mutation.hours:
            plan = plan_for(mutation, hours)
            outcome = play_mutation(mutation, folder / f"{hours:g}", plan)
            if outcome.caught_by:
                break
    return outcome


def plan_for(mutation: Mutation, hours: float) -> Plan:
    """The day's plan up to that hour, with what the mutation adds."""
    plan = draw_plan(SEED, hours * HOUR_S, ASSETS, busy=BUSY if mutation.busy else 1.0)
    return plan.with_acts(sorted((*plan.acts, *mutation.acts), key=lambda act: act.at_s))


def play_mutation(mutation: Mutation, folder: Path, plan: Plan) -> Outcome:
    """Plays a plan with a daemon that is wrong."""
    began_s = time.process_time()
    with mutation.patch():
        account = play(folder, plan, stop_early=True, tell=lambda _line: None)
    return Outcome(
        mutation.name,
        tuple(caught_by(account, plan)),
        min((each.at_s for each in account.violations), default=None),
        account.stopped_s,
        time.process_time() - began_s,
        account.violations[0].words if account.violations else "",
    )


def caught_by(account: Account, plan: Plan) -> Iterator[str]:
    """The promises that broke. What a run broke that was cut short says nothing but the first."""
    if account.violations and account.stopped_s < plan.seconds:
        yield account.violations[0].promise
    else:
        yield from account.broken


def main() -> int:
    """Exit code 0 = each mutation was caught as its table says, 1 = not, 2 = wrong arguments."""
    flags = _parser().parse_args()
    noted = json.loads(CAUGHT.read_text()) if CAUGHT.exists() else {}
    as_told = True
    for name in flags.names or MUTATIONS:
        mutation = MUTATIONS[name]
        if mutation.unseen and not flags.names:
            continue
        where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
        with tempfile.TemporaryDirectory(prefix="soak-", dir=where) as folder:
            outcome = try_mutation(mutation, Path(folder))
        as_told &= outcome.is_expected
        print("\n".join(_told(outcome)), flush=True)
        if flags.note and outcome.is_expected and outcome.after_s is not None:
            noted[name] = {"by": outcome.caught_by, "after_s": round(outcome.after_s)}
            ordered = {each: noted[each] for each in MUTATIONS if each in noted}
            CAUGHT.write_text(json.dumps(ordered, indent=1) + "\n")
            PAGE.write_text(with_table(PAGE.read_text()))
    return 0 if as_told else 1


def _told(outcome: Outcome) -> Iterable[str]:
    verdict = "as expected" if outcome.is_expected else "NOT AS EXPECTED"
    yield f"{outcome.name}: {verdict}: caught by {'; '.join(outcome.caught_by) or 'nothing'}"
    if outcome.after_s is not None:
        yield f"    after {clock(outcome.after_s)} of {clock(outcome.played_s)}: {outcome.words}"
    yield f"    {outcome.cpu_s:.0f} s of CPU"


def with_table(page: str) -> str:
    """The document with its table drawn anew."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{draw_table()}\n\n{END}{rest.split(END)[1]}"


def draw_table() -> str:
    """The mutations that were caught, in the order of the table, then those that cannot be."""
    caught = json.loads(CAUGHT.read_text())
    lines = ["| mutation | part | what is wrong | caught by | after |", "|---|---|---|---|---|"]
    for each in MUTATIONS.values():
        if each.name in caught:
            noted = caught[each.name]
            by = "; ".join(promise for promise in noted["by"] if promise in each.breaks)
            after = clock(noted["after_s"])
            lines.append(f"| `{each.name}` | {each.part} | {each.wrong} | {by} | {after} |")
    unseen = [each for each in MUTATIONS.values() if each.unseen]
    if unseen:
        lines += ["", "| not seen | part | what is wrong | why |", "|---|---|---|---|"]
    for each in unseen:
        lines.append(f"| `{each.name}` | {each.part} | {each.wrong} | {each.unseen} |")
    return "\n".join(lines)


def clock(at_s: float) -> str:
    """A time of the run, as hours:minutes:seconds."""
    hours, rest = divmod(round(at_s), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/soak --mutations",
        description="makes the daemons wrong, one way at a time",
    )
    parser.add_argument(
        "names", nargs="*", choices=[*MUTATIONS, []], metavar="NAME", help="a mutation (all)"
    )
    parser.add_argument(
        "--note", action="store_true", help=f"writes what was caught to {CAUGHT.name}, for docs"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

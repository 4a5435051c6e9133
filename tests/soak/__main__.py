"""``scripts/soak``: plays simulated days of a headend and its agents, and judges them.

From the ground up: ``plan``, ``devices``, ``weather`` and ``account`` are data. ``site_agent`` and
``world`` are what runs, ``faults`` and ``people`` act on it, ``observer`` and ``auditor`` look at
it. ``judge`` puts the promises to the test, ``play`` joins all of it, ``report`` tells the outcome.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.account import Account
from tests.soak.plan import DAY_S, Plan, draw_plan, plan_of
from tests.soak.play import play
from tests.soak.report import as_json, as_text
from tests.soak.shortening import shorten

TRIES = 40
"""Runs that shortening a failing plan may take."""

MEMORY_FOLDER = Path("/dev/shm")


def main() -> int:
    """Exit code 0 = every promise was kept, 1 = one was broken, 2 = wrong arguments."""
    flags = _parser().parse_args()
    if flags.replay is not None:
        plans = [plan_of(flags.replay.read_text())]
    else:
        seeds = range(flags.seed, flags.seed + flags.seeds)
        plans = [draw_plan(seed, flags.days * DAY_S, flags.assets) for seed in seeds]
    reports = []
    for plan in plans:
        account = _run(plan, stop_early=False, aloud=True)
        reports.append(as_json(plan, account))
        print("\n".join(as_text(plan, account)), flush=True)
        if account.broken and flags.shorten:
            _shorten(plan, account, flags.out)
    if flags.json is not None:
        flags.json.write_text(json.dumps(reports if len(reports) > 1 else reports[0], indent=1))
    return 0 if all(report["kept"] for report in reports) else 1


def _run(plan: Plan, *, stop_early: bool, aloud: bool) -> Account:
    began_s = time.process_time()
    where = MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="soak-", dir=where) as folder:
        tell = (lambda line: print(line, file=sys.stderr, flush=True)) if aloud else _nobody
        account = play(Path(folder), plan, stop_early=stop_early, tell=tell)
    if aloud:
        print(f"played in {time.process_time() - began_s:.0f} s of CPU", file=sys.stderr)
    return account


def _shorten(plan: Plan, account: Account, out: Path) -> None:
    first = min(account.violations, key=lambda each: each.at_s)

    def breaks(candidate: Plan) -> bool:
        return first.promise in _run(candidate, stop_early=False, aloud=False).broken

    print(f"shortening for: {first.promise}", file=sys.stderr, flush=True)
    shortest = shorten(plan, first.at_s, breaks, TRIES)
    out.write_text(shortest.to_json())
    print(f"{len(shortest.acts)} acts are left; play them with: scripts/soak --replay {out}")


def _nobody(_line: str) -> None:
    """A run without progress."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description="plays simulated days and judges them"
    )
    parser.add_argument("--days", type=float, default=7.0, help="simulated days (7)")
    parser.add_argument("--seed", type=int, default=1, help="the seed that everything follows from")
    parser.add_argument("--seeds", type=int, default=1, help="so many runs, of seeds in a row")
    parser.add_argument("--assets", type=int, default=20, help="simulated assets (20)")
    parser.add_argument("--json", type=Path, help="also writes the report to this file")
    parser.add_argument("--replay", type=Path, metavar="PLAN", help="plays a plan from a file")
    parser.add_argument(
        "--shorten", action="store_true", help="shortens the plan of a run that broke a promise"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("var/soak-plan.json"), help="where the short plan goes"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

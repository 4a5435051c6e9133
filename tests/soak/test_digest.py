"""Equal seeds give equal runs, in whatever process and on whatever day."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.soak.plan import HABITS, SETTLE_S, Act, Kind, Plan

EVERY_S = 25.0
"""Time between two acts, seconds."""
MOST_S = 20.0
"""The longest that an act lasts, seconds."""


def plan_of_each_kind() -> Plan:
    """An act of each kind, one after another."""
    acts = [
        Act(
            at_s=60.0 + EVERY_S * n,
            kind=kind,
            target=n % 2 if kind is not Kind.WITHDRAW else 0,
            for_s=min(MOST_S, sum(HABITS[kind].for_s) / 2),
            value=sum(HABITS[kind].value) / 2,
        )
        # Some of the others need an order before them.
        for n, kind in enumerate(sorted(Kind, key=lambda kind: kind is not Kind.ORDER))
    ]
    seconds = acts[-1].at_s + SETTLE_S + MOST_S
    return Plan(seed=1, seconds=seconds, agents=2, assets=6, acts=tuple(acts))


def test_equal_plans_give_equal_runs_in_another_process_on_another_day(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(plan_of_each_kind().to_json())
    running = {}
    for module in ("tests.soak", "tests.soak.other_day"):
        report = tmp_path / f"{module}.json"
        running[report] = subprocess.Popen(
            [sys.executable, "-m", module, "--replay", plan, "--json", report],
            # As scripts/soak sets it.
            env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    reports = []
    for path, process in running.items():
        said, _ = process.communicate(timeout=300)
        assert path.exists(), said
        reports.append(without_resources(json.loads(path.read_text())))
    assert set(reports[0]["acts"]) == {*Kind}
    assert reports[0] == reports[1]


def without_resources(report: dict[str, Any]) -> dict[str, Any]:
    """What follows from the plan; resources are the machine's."""
    return {
        name: each for name, each in report.items() if name not in ("growth_a_day", "last_look")
    }

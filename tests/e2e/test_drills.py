"""Drills of a minute with real processes: each plan that ships, and one that must fail.

They mostly wait, so all of them run side by side. They are one test: pytest's workers share out
tests, and each worker would hold all drills again.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from launcher.drills.fault_kinds import FaultKind
from launcher.drills.plan_file import SHIPPED
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.e2e

LENGTH = "1m"
MOST_S = 180 + 2 * PATIENCE_S
"""A drill of a minute, its start, and the time after it in which agents may come back."""

FORGETFUL = "forgetful"
"""The drill in which one of two agents does not know its failsafe."""

FORGETFUL_PLAN = """\
duration: 1m
sites: 2
failsafe_after: 20s
orders: {every: 1s, for: no end}
faults:
  - {kind: blackhole, target: all agents, at: 20%, for: 75%}
"""


@dataclass
class Held:
    """A drill that was held."""

    code: int
    output: str
    verdict: dict[str, Any]

    def promise(self, name: str) -> dict[str, Any]:
        (found,) = (each for each in self.verdict["promises"] if each["promise"] == name)
        return dict(found)

    def broken(self) -> dict[str, list[str]]:
        """What was broken, by promise."""
        return {
            each["promise"]: [breach["what"] for breach in each["breaches"]]
            for each in self.verdict["promises"]
            if each["kept"] is False
        }


def start(folder: Path, name: str) -> subprocess.Popen[str]:
    folder.mkdir()
    module, plan = "launcher", name
    if name == FORGETFUL:
        module, plan = "tests.e2e.forgetful_drill", str(folder / "forgetful.yaml")
        (folder / "forgetful.yaml").write_text(FORGETFUL_PLAN)
    return subprocess.Popen(
        [
            *(sys.executable, "-m", module, "run", "--chaos", plan, "--for", LENGTH),
            *("--data", str(folder), "--verdict", str(folder / "verdict.json")),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
    )


def hold_drills(folder: Path) -> dict[str, Held]:
    """All drills by name, held at the same time."""
    running = {name: start(folder / name, name) for name in (*SHIPPED, FORGETFUL)}
    held = {}
    for name, process in running.items():
        output, _ = process.communicate(timeout=MOST_S)
        path = folder / name / "verdict.json"
        assert path.exists(), output
        held[name] = Held(process.returncode, output, json.loads(path.read_text()))
    return held


def test_drills_keep_every_promise_and_see_a_broken_one(
    tmp_path: Path, subtests: pytest.Subtests
) -> None:
    drills = hold_drills(tmp_path)
    for name in SHIPPED:
        with subtests.test("every promise is kept", plan=name):
            check_kept(name, drills[name])
    for name in ("bad-link", "rough-day"):
        with subtests.test("every kind of fault strikes and has a line", plan=name):
            check_faults(name, drills[name])
    with subtests.test("without a headend every device retreats and comes back"):
        check_retreat(drills["poland"])
    with subtests.test("an agent that does not know its failsafe fails the drill"):
        check_forgetful(drills[FORGETFUL])


def check_kept(name: str, drill: Held) -> None:
    assert drill.broken() == {}, drill.output
    assert drill.code == 0
    assert drill.verdict["kept"] is True
    assert (drill.verdict["plan"], drill.verdict["for_s"]) == (name, 60.0)
    assert drill.output.rstrip().endswith("all promises kept")
    # What was judged was there to be judged.
    for promise in ("telemetry", "dispatch", "samples", "orders", "once", "processes"):
        assert drill.promise(promise)["cases"] > 0, promise


def check_faults(name: str, drill: Held) -> None:
    struck = Counter(fault["kind"] for fault in drill.verdict["faults"])
    links = {"delay", "throttle", "cut", "reset", "half-open", "corrupt", "blackhole"}
    assert set(struck) >= (links if name == "bad-link" else {*map(str, FaultKind)} - links)
    assert all(fault["skipped"] is None for fault in drill.verdict["faults"])
    for kind, count in struck.items():
        assert drill.output.count(f"event=fault kind={kind} ") == count
        assert drill.output.count(f'event="fault over" kind={kind} ') == count
    assert drill.promise("back")["cases"] > 0


def check_retreat(drill: Held) -> None:
    failsafe = drill.promise("failsafe")
    assert failsafe["kept"] is True
    # Twelve devices retreat and come back; the power of those with a default is looked at.
    assert failsafe["cases"] == 12 + 12 + 8
    assert failsafe["worst_under"] == "blackhole of all agents"


def check_forgetful(drill: Held) -> None:
    assert drill.code == 1
    assert set(drill.broken()) == {"failsafe"}
    assert set(drill.broken()["failsafe"]) == {
        f"site-01-{kind} did not retreat within 22 s of silence"
        for kind in ("solar", "battery", "generator")
    }
    assert "failsafe broken at" in drill.output
    assert drill.output.rstrip().endswith("not all promises kept")

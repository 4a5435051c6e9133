"""Drills of a minute with real processes: each plan that ships, and one that must fail.

They mostly wait, so all of them run side by side.
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
"""The drill in which one agent does not know its failsafe."""


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
    module, plan = (
        ("tests.e2e.forgetful_drill", "poland") if name == FORGETFUL else ("launcher", name)
    )
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


@pytest.fixture(scope="module")
def drills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Held]:
    folders = {name: tmp_path_factory.mktemp(name) for name in (*SHIPPED, FORGETFUL)}
    running = {name: start(folder, name) for name, folder in folders.items()}
    held = {}
    for name, process in running.items():
        output, _ = process.communicate(timeout=MOST_S)
        path = folders[name] / "verdict.json"
        assert path.exists(), output
        held[name] = Held(process.returncode, output, json.loads(path.read_text()))
    return held


@pytest.mark.parametrize("name", SHIPPED)
def test_every_promise_is_kept_in_a_drill_of_each_plan(drills: dict[str, Held], name: str) -> None:
    drill = drills[name]
    assert drill.broken() == {}, drill.output
    assert drill.code == 0
    assert drill.verdict["kept"] is True
    assert (drill.verdict["plan"], drill.verdict["for_s"]) == (name, 60.0)
    assert drill.output.rstrip().endswith("all promises kept")
    # What was judged was there to be judged.
    for promise in ("telemetry", "dispatch", "samples", "orders", "once", "processes"):
        assert drill.promise(promise)["cases"] > 0, promise


@pytest.mark.parametrize("name", ["bad-link", "rough-day"])
def test_every_kind_of_fault_of_a_plan_strikes_and_has_a_line(
    drills: dict[str, Held], name: str
) -> None:
    drill = drills[name]
    struck = Counter(fault["kind"] for fault in drill.verdict["faults"])
    links = {"delay", "throttle", "cut", "reset", "half-open", "corrupt", "blackhole"}
    assert set(struck) >= (links if name == "bad-link" else {*map(str, FaultKind)} - links)
    assert all(fault["skipped"] is None for fault in drill.verdict["faults"])
    for kind, count in struck.items():
        assert drill.output.count(f"event=fault kind={kind} ") == count
        assert drill.output.count(f'event="fault over" kind={kind} ') == count
    assert drill.promise("back")["cases"] > 0


def test_without_a_headend_every_device_retreats_and_comes_back(drills: dict[str, Held]) -> None:
    failsafe = drills["poland"].promise("failsafe")
    assert failsafe["kept"] is True
    # Twelve devices retreat and come back; the power of those with a default is looked at.
    assert failsafe["cases"] == 12 + 12 + 8
    assert failsafe["worst_under"] == "blackhole of all agents"


def test_an_agent_that_does_not_know_its_failsafe_fails_the_drill(drills: dict[str, Held]) -> None:
    drill = drills[FORGETFUL]
    assert drill.code == 1
    assert set(drill.broken()) == {"failsafe"}
    assert set(drill.broken()["failsafe"]) == {
        f"site-01-{kind} did not retreat within 22 s of silence"
        for kind in ("solar", "battery", "generator")
    }
    assert "failsafe broken at" in drill.output
    assert drill.output.rstrip().endswith("not all promises kept")

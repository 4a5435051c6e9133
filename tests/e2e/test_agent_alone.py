"""An agent that is killed, or left alone, under an order: what its device does, seen from REST."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

FAST = {"telemetry_period_s": 0.2, "heartbeat_period_s": 1.0}


def watched(after_s: float) -> dict[str, Any]:
    """The fleet, its battery with that failsafe."""
    fleet_ = fleet()
    fleet_["assets"][0]["failsafe"] = {"after_s": after_s, "action": "default"}
    return fleet_


def resumed(world: World, dispatch_id: str) -> bool:
    """Whether the dispatch was interrupted, and is followed again."""
    dispatch = world.get(f"/dispatch/{dispatch_id}")
    followed = (dispatch["state"], dispatch["suspended"]) == ("started", None)
    return bool(followed and dispatch["interrupted_s"] > 1)


def power_is(world: World, mw: float) -> bool:
    sample = world.get(f"/telemetry/{BATTERY}")
    return bool(sample["p_mw"] == mw and not sample["stale"])


def test_an_agent_killed_under_a_dispatch_resumes_it_and_ends_it(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        _, agent = world.start(BATTERY)
        dispatch = world.order(BATTERY, -1.25, duration_s=8)
        world.wait_state(dispatch["id"], "started")
        eventually("the battery charges", lambda: power_is(world, -1.25))
        agent.kill()
        eventually("offline", lambda: not world.online(BATTERY))
        again = world.start_agent(BATTERY)
        restarted_us = time.time_ns() // 1000
        world.wait_online(BATTERY)
        # A simulated device starts anew with its agent: that it charges is the agent's doing.
        eventually(
            "the battery charges again",
            lambda: any(
                sample["p_mw"] == -1.25 and parse_us(sample["ts"]) > restarted_us
                for sample in world.history(BATTERY)[:5]
            ),
        )
        assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "started"
        done = world.wait_state(dispatch["id"], "completed")
        assert [change["state"] for change in done["states"]].count("completed") == 1
        assert 0 < done["interrupted_s"] < 8
        end_us = parse_us(dispatch["end_at"])
        late = eventually(
            "its window is over",
            lambda: [s for s in world.history(BATTERY) if parse_us(s["ts"]) > end_us + 500_000],
        )
        assert {sample["p_mw"] for sample in late} == {0.0}
        assert again.stop() == 0


def test_an_agent_without_a_headend_takes_its_default_and_resumes_later(tmp_path: Path) -> None:
    with running(tmp_path, watched(2.0), FAST) as world:
        headend, *_ = world.start(BATTERY)
        dispatch = world.order(BATTERY, 1.5, duration_s=600)
        world.wait_state(dispatch["id"], "started")
        eventually("the battery discharges", lambda: power_is(world, 1.5))
        headend.kill()
        killed_us = time.time_ns() // 1000
        time.sleep(4)
        world.start_headend()
        world.wait_online(BATTERY)
        eventually("the battery discharges again", lambda: power_is(world, 1.5))
        eventually("it is followed again", lambda: resumed(world, dispatch["id"]))

        # What it did meanwhile comes as backfill.
        def told() -> dict[float, float] | None:
            """Power by seconds since the kill, once all of it is there."""
            powers = {
                (parse_us(sample["ts"]) - killed_us) / 1e6: sample["p_mw"]
                for sample in world.history(BATTERY)
                if killed_us + 400_000 < parse_us(sample["ts"]) < killed_us + 3_800_000
            }
            return powers if len(powers) >= 14 else None

        alone = eventually("the time alone is told", told)
        assert {mw for at_s, mw in alone.items() if at_s < 1.5} == {1.5}
        assert {mw for at_s, mw in alone.items() if at_s > 2.5} == {0.0}


def test_a_second_agent_on_a_folder_exits(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start(BATTERY)
        second = subprocess.run(
            [
                *(sys.executable, "-m", "deragent", "run", "--assets", world.assets),
                *("--asset", BATTERY, "--headend", world.headend_address),
                *("--data", world.folder / f"agent-{BATTERY}"),
            ],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == 1
        assert "another agent keeps its timelines in this folder" in second.stderr

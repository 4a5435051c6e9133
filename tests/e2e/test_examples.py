"""Each program in ``examples/`` works against the real headend."""

import re
from pathlib import Path

import pytest

from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import Process, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

SETTINGS = {"telemetry_period_s": 0.5}


def start(world: World, example: str, *arguments: object) -> Process:
    process = Process(world.folder / f"{example}.log", f"examples.{example}", *arguments)
    world.processes.append(process)
    return process


def wait_power(world: World, p_mw: float) -> None:
    eventually(f"{p_mw} MW", lambda: world.get(f"/telemetry/{BATTERY}")["p_mw"] == p_mw)


def test_an_agent_on_grpcio_follows_an_order_to_its_end(tmp_path: Path) -> None:
    with running(tmp_path / "world", fleet(), SETTINGS) as world:
        world.start_headend()
        start(world, "grpcio_agent", "--headend", world.headend_address, "--asset", BATTERY)
        world.wait_online(BATTERY)
        wait_power(world, 0.0)
        dispatch = world.order(BATTERY, -1.25, duration_s=2)
        wait_power(world, -1.25)
        done = world.wait_state(dispatch["id"], "completed")
        assert done["applied_mw"] == -1.25
        wait_power(world, 0.0)
        first = world.order(BATTERY, 1.0, duration_s=600)
        world.wait_state(first["id"], "started")
        second = world.order(BATTERY, 0.5, duration_s=600)
        world.wait_state(first["id"], "superseded")
        world.ask("DELETE", f"/dispatch/{second['id']}")
        world.wait_state(second["id"], "cancelled")


def test_a_follower_of_events_misses_nothing_over_a_restart_of_the_headend(tmp_path: Path) -> None:
    with running(tmp_path / "world", fleet(), SETTINGS) as world:
        headend = world.start_headend()
        follower = start(world, "follow_events", world.base)
        eventually("hello", lambda: " hello " in follower.text())
        world.start_agent(BATTERY)
        eventually("the agent comes", lambda: "connected" in follower.text())
        headend.stop()
        world.start_headend()
        world.wait_online(BATTERY)
        dispatch = world.order(BATTERY, 1.0, duration_s=1)
        eventually("the end", lambda: f"{dispatch['id']} completed" in follower.text())
        logged = re.findall(r"^(\d+) (?:agent|dispatch) ", follower.text(), re.MULTILINE)
        ids = [int(found) for found in logged]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
        assert follower.text().count("load from the API") == 1

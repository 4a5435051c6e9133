"""A cut link, a killed agent, a killed headend: each leaves a gap that says why, seen from REST."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import BATTERY, SOLAR, fleet
from tests.support.processes.proxy import proxy_in_thread
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

AWAY_S = 3.0
"""More than two and a half periods."""


def gaps(world: World, asset_id: str, cause: str) -> list[dict[str, Any]]:
    """Newest first. On a busy machine a sampler may come late, and there are others."""
    items = world.get(f"/telemetry/{asset_id}/gaps")["items"]
    return [gap for gap in items if gap["cause"] == cause]


def lasted_s(gap: dict[str, Any]) -> float:
    return (parse_us(gap["end"]) - parse_us(gap["start"])) / 1e6


def filled(world: World, asset_id: str, cause: str) -> dict[str, Any] | None:
    """The backfilled gap of an outage; a sampler that comes late makes short ones."""
    found = (gap for gap in gaps(world, asset_id, cause) if gap["backfilled"])
    return next((gap for gap in found if lasted_s(gap) > AWAY_S - 1), None)


def between(world: World, asset_id: str, gap: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples strictly inside."""
    return [item for item in world.history(asset_id) if gap["start"] < item["ts"] < gap["end"]]


def measured(world: World, asset_id: str, count: int) -> None:
    """Waits for so many more samples."""
    known = len(world.history(asset_id))
    eventually("more samples", lambda: len(world.history(asset_id)) >= known + count)


def test_a_cut_link_leaves_a_gap_that_the_agent_fills(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start_headend()
        with proxy_in_thread(world.grpc_port) as link:
            world.start_agent(BATTERY, "--headend", f"127.0.0.1:{link.port}")
            world.wait_online(BATTERY)
            measured(world, BATTERY, 4)
            with link.cut():
                time.sleep(AWAY_S)
            gap = eventually("the gap is filled", lambda: filled(world, BATTERY, "link"))
            assert gap["filled_until"] == gap["end"]
            assert gap["agent_id"] == BATTERY
            inside = between(world, BATTERY, gap)
            assert len(inside) >= 3
            assert all("backfilled" in item["quality"] for item in inside)


def test_a_killed_agent_and_a_killed_headend_each_leave_a_gap(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent, _ = world.start(BATTERY, SOLAR)
        measured(world, BATTERY, 4)
        agent.kill()
        time.sleep(AWAY_S)
        world.start_agent(BATTERY)
        restarts = eventually("its gap", lambda: gaps(world, BATTERY, "agent_restart"))
        assert len(restarts) == 1
        assert not restarts[0]["backfilled"]
        assert lasted_s(restarts[0]) > AWAY_S - 1
        assert between(world, BATTERY, restarts[0]) == []
        measured(world, SOLAR, 4)
        headend.kill()
        time.sleep(AWAY_S)
        world.start_headend()
        for asset_id in (BATTERY, SOLAR):
            gap = eventually(
                "what was measured meanwhile came",
                partial(filled, world, asset_id, "headend_restart"),
            )
            assert len(between(world, asset_id, gap)) >= 3
        assert gaps(world, SOLAR, "agent_restart") == []
        assert gaps(world, BATTERY, "agent_restart") == restarts


def test_the_gap_of_a_silent_agent_outlives_a_restart_of_the_headend(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        measured(world, BATTERY, 4)
        agent.kill()
        (lasting,) = eventually("its gap", lambda: gaps(world, BATTERY, "link"))
        assert lasting["end"] is None
        assert lasting["start"] == world.get(f"/telemetry/{BATTERY}")["ts"]
        assert world.get(f"/telemetry/{BATTERY}")["stale"]
        headend.kill()
        world.start_headend()
        assert gaps(world, BATTERY, "link") == [lasting]
        world.start_agent(BATTERY)
        (over,) = eventually("why", lambda: gaps(world, BATTERY, "agent_restart"))
        assert (over["id"], over["start"]) == (lasting["id"], lasting["start"])
        assert gaps(world, BATTERY, "link") == []

"""Orders for a whole site, orders sent twice, and verdicts, with real processes."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fleets import BATTERIES, site_of_batteries
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

FAST = {"telemetry_period_s": 0.5, "heartbeat_period_s": 1.0}
IDS = BATTERIES
SITE_OF_FOUR = site_of_batteries(4, failsafe_s=3)


def post(world: World, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return world.ask("POST", "/dispatch", json=body, headers=headers)


def all_started(world: World, group_id: str, count: int) -> dict[str, Any] | None:
    group: dict[str, Any] = world.get(f"/dispatch/{group_id}")
    return group if group["counts"].get("started") == count else None


def measured(world: World) -> bool:
    return all(world.get(f"/telemetry/{asset_id}")["stale"] is False for asset_id in IDS)


def holds(world: World, mw: float, *asset_ids: str) -> bool:
    seen = [world.get(f"/telemetry/{asset_id}")["p_mw"] for asset_id in asset_ids]
    return bool(sum(seen) == pytest.approx(mw, abs=1e-3))


def shares(world: World, group_id: str) -> bool:
    """Whether three of the site's assets follow a third of 2 MW each, and say so."""
    items = world.get("/dispatch/history", site_id="mesa", state="started")["items"]
    running = [(item["asset_id"], item["mw"]) for item in items if item["asset_id"] != IDS[3]]
    assert {item["group_id"] for item in items} == {group_id}
    wanted = pytest.approx(dict.fromkeys(IDS[:3], 2 / 3))
    return len(running) == 3 and bool(dict(running) == wanted)


def test_a_site_holds_its_power_though_an_agent_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        world.start_headend()
        agents = [world.start_agent(asset_id) for asset_id in IDS]
        world.wait_online(*IDS)
        eventually("all are measured", partial(measured, world))

        asked = post(world, {"site_id": "mesa", "mw": 2.0, "duration_s": 60, "dry_run": True})
        assert asked.status_code == 200
        assert [part["mw"] for part in asked.json()["parts"]] == [0.5] * 4
        assert world.get("/dispatch/history")["items"] == []

        answer = post(world, {"site_id": "mesa", "mw": 2.0, "duration_s": 60})
        assert answer.status_code == 201, answer.text
        group_id = answer.json()["id"]
        assert answer.headers["location"] == f"/dispatch/{group_id}"
        group = eventually("all start", partial(all_started, world, group_id, 4))
        print(group["summary"])
        assert group["started"]["in_s"] < 2
        eventually("the site holds it", partial(holds, world, 2.0, *IDS))

        agents[3].kill()
        eventually(
            "the others take over",
            lambda: (
                world.get(f"/dispatch/{group_id}")["shortfall_mw"] == 0
                and len(world.get(f"/dispatch/{group_id}")["parts"]) == 7
            ),
        )
        eventually("they hold all of it", partial(holds, world, 2.0, *IDS[:3]))
        eventually("and say so", partial(shares, world, group_id))

        withdrawn = world.ask("DELETE", f"/dispatch/{group_id}")
        assert withdrawn.status_code == 202
        eventually("they are released", partial(holds, world, 0.0, *IDS[:3]))


def test_an_order_sent_again_is_the_same_though_the_headend_was_killed(tmp_path: Path) -> None:
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        headend = world.start_headend()
        world.start_agent(IDS[0])
        world.wait_online(IDS[0])
        body = {"asset_id": "one", "mw": 0.75, "duration_s": 60}
        first = post(world, body, "order-1")
        assert first.status_code == 201
        headend.kill()
        world.start_headend()
        again = post(world, body, "order-1")
        assert again.status_code == 201
        assert again.json()["id"] == first.json()["id"]
        assert again.headers["location"] == first.headers["location"]
        assert again.headers["idempotency-replayed"] == "true"
        other = post(world, {**body, "mw": 0.5}, "order-1")
        assert other.status_code == 422
        world.wait_state(first.json()["id"], "started")
        assert len(world.get("/dispatch/history")["items"]) == 1


def test_a_dispatch_that_was_obeyed_is_achieved(tmp_path: Path) -> None:
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        world.start_headend()
        world.start_agent(IDS[0])
        world.wait_online(IDS[0])
        dispatch = world.order("one", 0.75, duration_s=5)
        world.wait_state(dispatch["id"], "started")
        eventually(
            "a verdict so far",
            lambda: world.get(f"/dispatch/{dispatch['id']}")["verdict"]["outcome"] == "achieved",
        )
        assert world.get(f"/dispatch/{dispatch['id']}")["verdict"]["final"] is False

        def judged() -> dict[str, Any] | None:
            (shown,) = world.get("/dispatch/history")["items"]
            verdict: dict[str, Any] | None = shown["verdict"]
            return verdict

        verdict = eventually("the verdict", judged)
        print(verdict)
        assert (verdict["outcome"], verdict["final"]) == ("achieved", True)
        assert verdict["samples"] >= 8
        assert verdict["covered"] == pytest.approx(1.0, abs=0.01)
        assert verdict["mean_error_mw"] < 0.1
        assert verdict["started_ms"] < 2000

"""Orders for a whole site, orders sent twice, and verdicts, with real processes."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fleets import BATTERIES, site_of_batteries
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

FIRST_THREE = BATTERIES[:3]
SITE_OF_FOUR = site_of_batteries(4, failsafe_s=3)


def post(world: World, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return world.ask("POST", "/dispatch", json=body, headers=headers)


def all_measured(world: World) -> bool:
    return all(world.get(f"/telemetry/{asset_id}")["stale"] is False for asset_id in BATTERIES)


def would_share_equally(world: World) -> bool:
    """A dry run of 2 MW gives each battery a quarter; nothing is ordered."""
    tried = post(world, {"site_id": "mesa", "mw": 2.0, "duration_s": 600, "dry_run": True})
    assert tried.status_code == 200
    return [part["mw"] for part in tried.json()["parts"]] == [0.5] * 4


def started_parts(world: World, group_id: str) -> int:
    started: int = world.get(f"/dispatch/{group_id}")["counts"].get("started", 0)
    return started


def has_power(world: World, mw: float, *asset_ids: str) -> bool:
    """The newest samples of these assets add up to ``mw``."""
    powers = [world.get(f"/telemetry/{asset_id}")["p_mw"] for asset_id in asset_ids]
    return bool(sum(powers) == pytest.approx(mw, abs=1e-3))


def three_hold_a_third(world: World, group_id: str) -> bool:
    """The running parts of the first three batteries are a third of 2 MW each."""
    items = world.get("/dispatch/history", site_id="mesa", state="started")["items"]
    assert {item["group_id"] for item in items} == {group_id}
    parts = [(item["asset_id"], item["mw"]) for item in items if item["asset_id"] in FIRST_THREE]
    wanted = pytest.approx(dict.fromkeys(FIRST_THREE, 2 / 3))
    return len(parts) == 3 and bool(dict(parts) == wanted)


def test_a_site_holds_its_power_after_a_kill_of_an_agent(tmp_path: Path) -> None:
    # How fast this goes is for tests in virtual time and for the benchmark. On a busy machine an
    # agent may be given up and come back meanwhile, so nothing here counts parts or seconds.
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        world.start_headend()
        agents = [world.start_agent(asset_id) for asset_id in BATTERIES]
        world.wait_online(*BATTERIES)
        eventually("all are measured", partial(all_measured, world))
        eventually("each would give a quarter", partial(would_share_equally, world))
        assert world.get("/dispatch/history")["items"] == []

        answer = post(world, {"site_id": "mesa", "mw": 2.0, "duration_s": 600})
        assert answer.status_code == 201, answer.text
        group_id = answer.json()["id"]
        assert answer.headers["location"] == f"/dispatch/{group_id}"
        eventually("all four start", lambda: started_parts(world, group_id) >= 4)
        eventually("the site holds its power", partial(has_power, world, 2.0, *BATTERIES))

        agents[3].kill()
        eventually("the others take over", partial(three_hold_a_third, world, group_id))
        eventually("they hold all of it", partial(has_power, world, 2.0, *FIRST_THREE))
        eventually(
            "nothing is missing", lambda: world.get(f"/dispatch/{group_id}")["shortfall_mw"] == 0
        )

        withdrawn = world.ask("DELETE", f"/dispatch/{group_id}")
        assert withdrawn.status_code == 202
        eventually("they are released", partial(has_power, world, 0.0, *FIRST_THREE))


def test_an_order_sent_again_after_a_kill_of_the_headend_is_the_same_order(tmp_path: Path) -> None:
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        headend = world.start_headend()
        world.start_agent(BATTERIES[0])
        world.wait_online(BATTERIES[0])
        body = {"asset_id": "one", "mw": 0.75, "duration_s": 600}
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


def test_a_dispatch_that_its_device_obeyed_is_achieved(tmp_path: Path) -> None:
    with running(tmp_path, SITE_OF_FOUR, FAST) as world:
        world.start_headend()
        world.start_agent(BATTERIES[0])
        world.wait_online(BATTERIES[0])
        dispatch = world.order("one", 0.75, duration_s=5)

        def final_verdict() -> dict[str, Any] | None:
            verdict: dict[str, Any] | None = world.get(f"/dispatch/{dispatch['id']}")["verdict"]
            return verdict if verdict is not None and verdict["final"] else None

        verdict = eventually("the dispatch is judged", final_verdict)
        assert verdict["outcome"] == "achieved", verdict
        (listed,) = world.get("/dispatch/history")["items"]
        assert listed["verdict"] == verdict

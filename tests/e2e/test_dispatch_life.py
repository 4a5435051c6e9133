"""A dispatch's whole life with real processes: for later, withdrawn, given way, waited for."""

import signal
from pathlib import Path

import httpx
import pytest

from derproto.base.timefmt import format_us, parse_us
from tests.support.fleets import BATTERY, SOLAR, fleet
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def withdraw(world: World, dispatch_id: str) -> httpx.Response:
    return world.ask("DELETE", f"/dispatch/{dispatch_id}")


def power_is(world: World, mw: float) -> bool:
    return bool(world.get("/telemetry/battery")["p_mw"] == pytest.approx(mw))


def test_a_dispatch_for_later_starts_after_a_kill_of_the_headend(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        now_us = parse_us(world.order(BATTERY, 0.1, duration_s=0.5)["created_at"])
        later = world.order(BATTERY, 0.75, start_at=format_us(now_us + 3_000_000), duration_s=120)
        world.wait_state(later["id"], "received")
        headend.kill()
        eventually(
            "it starts alone",
            lambda: any(
                later["id"] in line and "state=started" in line
                for line in agent.text().splitlines()
            ),
        )
        world.start_headend()
        done = world.wait_state(later["id"], "started")
        assert done["applied_mw"] == 0.75
        assert done["attempts"] == 1


def test_a_withdrawn_dispatch_ends_at_the_device(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start(BATTERY)
        dispatch = world.order(BATTERY, 1.0)
        world.wait_state(dispatch["id"], "started")
        eventually("the battery delivers", lambda: power_is(world, 1.0))
        answer = withdraw(world, dispatch["id"])
        assert answer.status_code == 202
        assert answer.json()["cancelling"]
        world.wait_state(dispatch["id"], "cancelled")
        eventually("the default", lambda: power_is(world, 0.0))
        assert withdraw(world, dispatch["id"]).status_code == 409
        assert withdraw(world, "nobody").status_code == 404


def test_a_dispatch_withdrawn_while_its_agent_is_away_ends_on_its_return(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        dispatch = world.order(BATTERY, 1.0)
        world.wait_state(dispatch["id"], "started")
        agent.send(signal.SIGSTOP)
        headend.kill()
        headend = world.start_headend()
        withdrawn = withdraw(world, dispatch["id"])
        assert (withdrawn.status_code, withdrawn.json()["state"]) == (202, "started")
        headend.kill()
        world.start_headend()
        agent.send(signal.SIGCONT)
        world.wait_state(dispatch["id"], "cancelled")
        eventually("the default", lambda: power_is(world, 0.0))


def test_the_headend_sends_only_the_best_of_the_waiting_dispatches(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start_headend()
        low = world.order(BATTERY, 0.1, priority=200)
        high = world.order(BATTERY, 0.2, priority=1)
        dropped = world.order(BATTERY, 0.3, priority=0)
        assert withdraw(world, dropped["id"]).status_code == 200
        agent = world.start_agent(BATTERY)
        assert world.wait_state(high["id"], "started")["applied_mw"] == 0.2
        gave_way = world.wait_state(low["id"], "superseded")
        assert (gave_way["superseded_by"], gave_way["attempts"]) == (high["id"], 0)
        assert world.get(f"/dispatch/{dropped['id']}")["state"] == "cancelled"
        assert low["id"] not in agent.text()


def test_a_dispatch_to_a_refused_asset_waits_for_an_agent_that_is_granted_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        _, holder = world.start(BATTERY)
        world.start_agent(SOLAR, "--agent-id", "thief", "--asset", BATTERY)
        world.wait_online(SOLAR)
        assert [a["asset_ids"] for a in world.get("/agents")["items"] if a["id"] == "thief"] == [
            [SOLAR]
        ]
        holder.kill()
        eventually("the holder is gone", lambda: not world.online(BATTERY))
        short = world.order(BATTERY, 0.2, expires_in_s=0.5, priority=200)
        waiting = world.order(BATTERY, 0.5)
        assert (short["state"], waiting["state"]) == ("pending", "pending")
        dry = httpx.post(
            f"{world.base}/dispatch",
            json={"asset_id": BATTERY, "mw": 0.5, "dry_run": True},
            timeout=10,
        ).json()
        assert (dry["online"], dry["within_limits"]) == (False, True)
        world.wait_state(short["id"], "expired")
        assert world.get(f"/dispatch/{waiting['id']}")["state"] == "pending"
        world.start_agent(BATTERY)
        assert world.wait_state(waiting["id"], "started")["attempts"] == 1

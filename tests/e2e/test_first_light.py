"""The whole path with real processes: what the project promises, seen from outside."""

import signal
import time
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median

import httpx
import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import ADDED, BATTERY, LOAD, SOLAR, battery, fleet
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def measured(world: World, asset_id: str) -> bool:
    return world.get(f"/telemetry/{asset_id}")["stale"] is False


def test_rest_shows_telemetry_within_a_period_and_a_second(tmp_path: Path) -> None:
    with running(tmp_path, fleet()) as world:
        world.start_headend()
        for asset_id in (BATTERY, SOLAR):
            world.start_agent(asset_id)
        for asset_id in (BATTERY, SOLAR):
            eventually("a first sample", partial(measured, world, asset_id))
        oldest = 0.0
        seen = set()
        until = time.monotonic() + 9
        while time.monotonic() < until:
            for asset_id in (BATTERY, SOLAR):
                sample = world.get(f"/telemetry/{asset_id}")
                oldest = max(oldest, sample["age_s"])
                seen.add((asset_id, sample["ts"]))
            time.sleep(0.05)
        print(f"oldest sample ever shown: {oldest:.2f} s")
        assert oldest <= 4 + 1
        assert len(seen) >= 4, "no newer samples came"


def test_heartbeats_carry_the_health_of_devices(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start_headend()
        assert world.get(f"/heartbeat/{BATTERY}")["ts"] is None
        world.start_agent(BATTERY, "--agent-id", "mesa-battery")
        healthy = [{"asset_id": BATTERY, "health": "ok"}]
        eventually("a heartbeat", lambda: world.get(f"/heartbeat/{BATTERY}")["devices"] == healthy)
        assert world.get("/heartbeat/mesa-battery")["agent_id"] == "mesa-battery"
        kept = eventually(
            "more of them", lambda: world.get("/heartbeat/battery/history")["items"][2:]
        )
        assert kept[0]["agent_id"] == "mesa-battery"


def test_an_agent_applies_a_dispatch_and_ends_it(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        world.start(BATTERY)
        took_ms = []
        for number in range(20):
            posted = time.perf_counter()
            dispatch = world.order("battery", -1.0 + number / 10, duration_s=60)
            done = world.wait_state(dispatch["id"], "started")
            took_ms.append((time.perf_counter() - posted) * 1000)
            assert done["applied_mw"] == pytest.approx(-1.0 + number / 10)
            latency_ms = done["latency_ms"]
            assert 0 < latency_ms["sent"] < latency_ms["received"] <= latency_ms["started"]
        took_ms.sort()
        print(f"POST to started: median {median(took_ms):.0f} ms, slowest {took_ms[-1]:.0f} ms")
        assert took_ms[-1] < 2000
        last = world.order(BATTERY, 1.5, duration_s=1.5)
        done = world.wait_state(last["id"], "completed")
        assert [change["state"] for change in done["states"]] == [
            "pending",
            "sent",
            "received",
            "started",
            "completed",
        ]
        window_us = parse_us(done["states"][-1]["at"]) - parse_us(done["start_at"])
        assert 1_400_000 <= window_us <= 2_500_000
        eventually("the default", lambda: world.get("/telemetry/battery")["p_mw"] == 0)
        # The window is short: the history shows what it held, however late this test looks.
        samples = world.get(f"/telemetry/battery/history?from={done['start_at']}")["items"]
        assert pytest.approx(1.5) in [sample["p_mw"] for sample in samples]
        states = {item["state"] for item in world.get("/dispatch/history")["items"]}
        assert states == {"completed", "superseded"}


def test_an_absent_agent_takes_its_dispatch_on_return(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        _, agent = world.start(BATTERY)
        agent.kill()
        eventually("offline", lambda: not world.online(BATTERY))
        dispatch = world.order(BATTERY, 0.75, duration_s=120)
        assert dispatch["state"] == "pending"
        world.start_agent(BATTERY)
        done = world.wait_state(dispatch["id"], "started")
        assert done["applied_mw"] == 0.75
        eventually(
            "both sessions are told",
            lambda: (
                [
                    session["end_reason"]
                    for session in world.get(f"/agents/{BATTERY}/sessions")["items"]
                ]
                == [None, "connection lost"]
            ),
        )


def test_a_killed_headend_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, *_ = world.start(BATTERY, SOLAR, LOAD)
        started = world.order(BATTERY, -0.5)
        world.wait_state(started["id"], "started")
        eventually("some history", lambda: len(world.history(SOLAR)) >= 5)
        before = {asset: world.history(asset) for asset in (BATTERY, SOLAR, LOAD)}
        headend.kill()
        time.sleep(1.5)
        world.start_headend()
        # What it knew is there at once, with its true age.
        for asset in (BATTERY, SOLAR, LOAD):
            assert world.get(f"/telemetry/{asset}")["ts"] is not None
        world.wait_online(BATTERY, SOLAR, LOAD)
        assert world.get(f"/dispatch/{started['id']}")["state"] == "started"
        eventually("new samples", lambda: len(world.history(SOLAR)) >= len(before[SOLAR]) + 5)
        for asset, known in before.items():
            after = {item["ts"]: item for item in world.history(asset)}
            for item in known:
                assert after[item["ts"]]["p_mw"] == item["p_mw"]

        def no_gap() -> bool:
            times = sorted(parse_us(item["ts"]) for item in world.history(SOLAR))
            return all(b - a < 700_000 for a, b in pairwise(times))

        eventually("what was measured meanwhile is filled in", no_gap)
        assert world.order(BATTERY, 0.25)["state"] == "sent"


def test_a_dispatch_under_way_survives_a_kill_of_the_headend(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        agent.send(signal.SIGSTOP)
        dispatch = world.order(BATTERY, 1.25)
        assert dispatch["state"] == "sent"
        headend.kill()
        world.start_headend()
        assert world.get(f"/dispatch/{dispatch['id']}")["state"] == "pending"
        agent.send(signal.SIGCONT)
        done = world.wait_state(dispatch["id"], "started")
        # It had been sent before, and reached the device once.
        assert done["applied_mw"] == 1.25
        applied = [line for line in agent.text().splitlines() if "state=started" in line]
        assert len(applied) == 1


def test_an_agent_serves_an_asset_added_by_hand(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend = world.start_headend()
        agent = world.start_agent(BATTERY)
        eventually("history", lambda: len(world.history(BATTERY)) >= 3)
        assert agent.stop() == 0
        assert headend.stop() == 0
        known = [item["id"] for item in fleet()["assets"]]
        world.fleet["assets"].append(battery(ADDED, "battery-2"))
        world.write_files()
        world.start_headend()
        assert [item["id"] for item in world.get("/assets")["items"]] == [*known, ADDED]
        kept = len(world.history(BATTERY))
        assert kept >= 3
        for asset_id in (BATTERY, ADDED):
            world.start_agent(asset_id)
        world.wait_online(BATTERY, ADDED)
        eventually("its telemetry", lambda: measured(world, ADDED))
        dispatch = world.order(ADDED, -0.5)
        assert dispatch["asset_id"] == ADDED
        world.wait_state(dispatch["id"], "started")
        eventually("the other goes on", lambda: len(world.history(BATTERY)) > kept)


def test_the_headend_drops_a_frozen_agent_and_readmits_it(tmp_path: Path) -> None:
    settings = {**FAST, "agent_silence_s": 3.0, "alive_period_s": 1.0}
    with running(tmp_path, fleet(), settings) as world:
        _, agent = world.start(BATTERY)
        agent.send(signal.SIGSTOP)
        frozen = time.monotonic()
        eventually("gone from /agents", lambda: not world.online(BATTERY))
        assert 2.0 <= time.monotonic() - frozen <= 6.0
        agent.send(signal.SIGCONT)
        world.wait_online(BATTERY)

        def ends() -> list[str | None]:
            sessions = world.get(f"/agents/{BATTERY}/sessions")["items"]
            return [session["end_reason"] for session in sessions]

        eventually("both sessions are told", lambda: ends() == [None, "silent"])


def test_a_headend_stops_promptly_whatever_its_clients_do(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend = world.start_headend()
        agents = [world.start_agent(asset_id) for asset_id in (BATTERY, SOLAR)]
        world.wait_online(BATTERY, SOLAR)
        agents[1].send(signal.SIGSTOP)
        with httpx.Client(base_url=world.base) as idle:
            assert idle.get("/healthz").status_code == 200
            began = time.monotonic()
            assert headend.stop(within_s=10) == 0
            print(f"SIGTERM to exit: {time.monotonic() - began:.1f} s")
        agents[1].send(signal.SIGCONT)
        world.start_headend()
        world.wait_online(BATTERY, SOLAR)

        def told() -> bool:
            sessions = world.get(f"/agents/{BATTERY}/sessions")["items"]
            return [session["end_reason"] for session in sessions] == [None, "draining"]

        eventually("both sessions are told", told)


def test_a_second_headend_on_the_same_data_exits(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world, running(tmp_path, fleet(), FAST) as other:
        world.start_headend()
        with pytest.raises(AssertionError, match="another"):
            other.start_headend()
        assert other.processes[0].popen.wait(10) == 1

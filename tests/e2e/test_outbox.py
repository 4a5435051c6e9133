"""Samples of an outage: on disk, over a kill of their agent, and over a full disk."""

import resource
import sqlite3
import time
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

PERIOD_S = 0.2
FAST = {"telemetry_period_s": PERIOD_S, "heartbeat_period_s": 1.0}
SOON_S = 2.5
"""In an outage a row is on disk after so long: 2 s, and what a busy machine needs."""


def file_times(world: World) -> list[int]:
    """When the rows in the agent's file were measured, in their order."""
    path = world.folder / f"agent-{BATTERY}" / "outbox.db"
    with closing(sqlite3.connect(path)) as db:
        return [ts for (ts,) in db.execute("SELECT ts_us FROM rows ORDER BY boot, seq")]


def history_times(world: World) -> Counter[int]:
    return Counter(parse_us(sample["ts"]) for sample in world.history(BATTERY))


def test_rows_on_an_agents_disk_outlive_its_kill_and_arrive_once(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        eventually("samples", lambda: len(world.history(BATTERY)) > 5)
        headend.kill()
        away_us = time.time_ns() // 1000
        time.sleep(15)
        killed_us = time.time_ns() // 1000
        agent.kill()

        on_disk = file_times(world)
        assert on_disk[0] < away_us + 1_000_000
        assert on_disk[-1] > killed_us - SOON_S * 1e6
        # None is left out: the times lie on a grid, on which a slow machine may skip a point.
        assert len(on_disk) > 0.8 * 12 / PERIOD_S
        assert all(after > before for before, after in pairwise(on_disk))

        world.start_headend()
        world.start_agent(BATTERY)
        eventually(
            "what was on disk is in the history",
            lambda: history_times(world).keys() >= set(on_disk),
        )
        assert set(history_times(world).values()) == {1}
        backfilled = {
            parse_us(sample["ts"])
            for sample in world.history(BATTERY)
            if "backfilled" in sample["quality"]
        }
        assert backfilled >= set(on_disk)
        eventually("the file is empty", lambda: not file_times(world))


def test_an_agent_with_a_full_disk_loses_no_sample(tmp_path: Path) -> None:
    with running(tmp_path, fleet(), FAST) as world:
        headend, agent = world.start(BATTERY)
        headend.kill()
        away_us = time.time_ns() // 1000
        eventually("rows are on disk", lambda: file_times(world))
        no_limit = resource.prlimit(agent.popen.pid, resource.RLIMIT_FSIZE)
        wal = world.folder / f"agent-{BATTERY}" / "outbox.db-wal"
        full = (wal.stat().st_size, no_limit[1])
        resource.prlimit(agent.popen.pid, resource.RLIMIT_FSIZE, full)
        eventually("it notices", lambda: "file cannot be used now" in agent.text())
        time.sleep(3)
        resource.prlimit(agent.popen.pid, resource.RLIMIT_FSIZE, no_limit)
        eventually("it goes on", lambda: "file can be used again" in agent.text())
        assert agent.alive

        world.start_headend()
        world.wait_online(BATTERY)
        eventually("the file is empty", lambda: not file_times(world))
        times = sorted(history_times(world))
        meanwhile = [ts for ts in times if ts > away_us - 1_000_000]
        steps = Counter(round((b - a) / 1e6 / PERIOD_S) for a, b in pairwise(meanwhile))
        # A slow machine may skip points of the grid; the time without a disk would be 15.
        assert max(steps) < 10
        assert max(history_times(world).values()) == 1

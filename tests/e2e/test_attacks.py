"""Hostile clients beside live agents: no agent loses its session, and orders arrive in time."""

import itertools
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.support.fleets import BATTERIES, LOAD, NAMES, SITE, battery
from tests.support.processes import attackers
from tests.support.processes.world import Process, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

APPLIED_S = 2.0
"""Most time from an order during the attack to its start at the agent's device."""

MEMORY = Path("/dev/shm")

GROWTH_MB = 320
"""Memory that the attacks may take of the headend, at most: 64 MiB of unfinished messages, 1,300
connections, SQLite's cache. The unfinished messages alone are 384 MiB."""

LOG_LINES = 600
"""Lines that the headend may log in 10 s of the attacks, at most: one text reaches its 300."""

RETURNING, *LIVE = BATTERIES
CHATTERED = LOAD
FLEET: dict[str, Any] = {
    "sites": [{"id": SITE, "name": "mesa"}],
    "assets": [
        *(battery(asset_id, name) for asset_id, name in zip(BATTERIES, NAMES, strict=True)),
        battery(CHATTERED, "chattered"),
    ],
}
SETTINGS = {"max_sessions": 300}
"""The gRPC port then has 1,300 places, fewer than there are silent connections."""


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """As many open files as the machine allows, also for the processes of the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a slow disk would count as the attackers' deed."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


def peak_mb(process: Process) -> float:
    """The most memory that the process ever had."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def sessions(world: World) -> dict[str, str]:
    """The session of each asset's agent."""
    agents = world.get("/agents")["items"]
    return {asset_id: each["session_id"] for each in agents for asset_id in each["asset_ids"]}


def starved_s(pids: Sequence[int]) -> float:
    """How long these processes have waited for a processor so far."""
    waited_ns = 0
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            # A thread may end at any time.
            with suppress(OSError):
                waited_ns += int((task / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


def applied_s(world: World, place: int, asset_id: str) -> float:
    """How long an order takes until its agent's device has it.

    Time for which the machine let headend, agent and this test wait for a processor does not
    count: attackers and other tests run on the same machine.
    """
    headend, agent = world.processes[0], world.processes[1 + place]
    pids = [os.getpid(), headend.popen.pid, agent.popen.pid]
    began_s, starved_before_s = time.monotonic(), starved_s(pids)
    dispatch = world.order(asset_id, 1.0, duration_s=60)
    world.wait_state(dispatch["id"], "started")
    lasted_s = time.monotonic() - began_s
    return max(0.0, lasted_s - (starved_s(pids) - starved_before_s))


def test_live_agents_do_not_notice_attacks(folder: Path) -> None:
    with running(folder, FLEET, SETTINGS) as world:
        headend = world.start_headend()
        for asset_id in LIVE:
            world.start_agent(asset_id)
        returning = world.start_agent(RETURNING)
        world.wait_online(*LIVE, RETURNING)
        before, lines, memory_mb = sessions(world), headend.text().count("\n"), peak_mb(headend)
        attack = world.start_module(
            "attack", attackers.__name__, world.grpc_port, world.http_port, CHATTERED
        )
        began_s = time.monotonic()
        turns = itertools.cycle(enumerate(LIVE))
        times_s = []

        def order_until(happened: Callable[[], bool]) -> bool:
            times_s.append(applied_s(world, *next(turns)))
            assert attack.alive, attack.text()
            return happened()

        eventually("all attacks", lambda: order_until(lambda: attackers.READY in attack.text()))
        returning.kill()
        world.start_agent(RETURNING)
        old = before.pop(RETURNING)
        eventually(
            "the agent is back",
            lambda: order_until(lambda: sessions(world).get(RETURNING, old) != old),
        )
        assert sessions(world).items() >= before.items()
        assert max(times_s) < APPLIED_S
        assert peak_mb(headend) < memory_mb + GROWTH_MB
        # Two of the periods may be cut short.
        periods = 2 + (time.monotonic() - began_s) / 10
        assert headend.text().count("\n") - lines < LOG_LINES * periods
        assert "Traceback" not in headend.text()

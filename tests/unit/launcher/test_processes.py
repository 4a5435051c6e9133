"""Agents in real processes, with a fake agent."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
import trio

from deragent.event_lines import EventKind, EventLine
from derproto.base.runtime import real_runtime
from launcher.fleets.agent_jobs import AgentJob
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent
from launcher.supervision.guard_watch import GuardLost
from launcher.supervision.processes import ProcessSettings, run_processes
from tests.support.waiting import PATIENCE_S, runs

HERE = Path(__file__).parent


def job(behaviour: str, number: int = 0) -> AgentJob:
    return AgentJob(f"{number}-{behaviour}", behaviour, None, ("x",))


def fake_command(one: AgentJob) -> Sequence[str]:
    return [sys.executable, "-S", str(HERE / "fake_agent.py"), one.agent_id, one.name]


class Watch:
    """Runs agents until an awaited event has happened."""

    def __init__(self) -> None:
        self.seen: list[FleetEvent] = []
        self._changed = trio.Event()

    def take(self, event: FleetEvent) -> None:
        self.seen.append(event)
        self._changed.set()
        self._changed = trio.Event()

    async def run(
        self,
        jobs: Sequence[AgentJob],
        until: Callable[[], bool],
        *,
        grace_s: float = 5.0,
        command: Callable[[AgentJob], Sequence[str]] = fake_command,
    ) -> None:
        settings = ProcessSettings(command, real_runtime(), self.take, grace_s)
        with trio.fail_after(PATIENCE_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(run_processes, jobs, settings)
                while not until():
                    await self._changed.wait()
                nursery.cancel_scope.cancel()

    def connected(self) -> set[str]:
        return {
            event.agent_id
            for event in self.seen
            if isinstance(event, EventLine) and event.kind is EventKind.CONNECTED
        }

    @property
    def pids(self) -> list[int]:
        return [h.pid for h in self.seen if isinstance(h, AgentStarted) and h.pid is not None]

    @property
    def ends(self) -> list[AgentEnded]:
        return [h for h in self.seen if isinstance(h, AgentEnded)]

    @property
    def said(self) -> list[str]:
        return [h.text for h in self.seen if isinstance(h, AgentSaid)]


async def test_agents_run_and_none_is_left() -> None:
    watch = Watch()
    jobs = [job("steady", number) for number in range(6)]
    await watch.run(jobs, lambda: len(watch.connected()) == 6)
    assert len(set(watch.pids)) == 6
    assert not any(runs(pid) for pid in watch.pids)
    assert watch.ends == []


@pytest.mark.parametrize(
    ("behaviour", "how"), [("dies", "exited with code 3"), ("killed", "was ended by SIGKILL")]
)
async def test_an_agent_that_dies_starts_again_and_others_stay(behaviour: str, how: str) -> None:
    watch = Watch()
    await watch.run([job(behaviour), job("steady", 1)], lambda: len(watch.ends) == 2)
    assert [(end.how, end.wait_s) for end in watch.ends] == [(how, 1.0), (how, 2.0)]
    assert len(watch.pids) == 3


async def test_an_agent_that_cannot_be_started_is_tried_again() -> None:
    watch = Watch()
    await watch.run(
        [job("steady")], lambda: bool(watch.ends), command=lambda _job: ["/no/such/program"]
    )
    assert watch.ends[0].how.startswith("could not be started")


async def test_an_agent_does_not_speak_to_systemd_for_the_launcher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/derlaunch")
    watch = Watch()
    await watch.run([job("tells")], lambda: bool(watch.said))
    assert watch.said == ["False True"]


async def test_an_agent_that_ignores_sigterm_is_killed() -> None:
    watch = Watch()
    await watch.run([job("stubborn")], lambda: bool(watch.connected()), grace_s=0.1)
    assert not any(runs(pid) for pid in watch.pids)
    assert watch.said == ["did not end within 0.1 s of SIGTERM: killed"]


async def test_an_agent_that_floods_its_errors_runs_on() -> None:
    watch = Watch()
    await watch.run([job("floods")], lambda: bool(watch.connected()))
    assert "level=error event=flood 0" in watch.said
    assert len(watch.said) < 100
    assert not any("quiet" in text for text in watch.said)


async def test_an_agent_that_writes_without_end_can_stop_cleanly() -> None:
    watch = Watch()
    await watch.run([job("babbles")], lambda: bool(watch.connected()))
    last = watch.seen[-1]
    assert isinstance(last, EventLine)
    assert last.kind is EventKind.DISCONNECTED


async def test_output_that_is_not_an_event_is_shown() -> None:
    watch = Watch()
    await watch.run([job("mumbles")], lambda: bool(watch.connected()))
    assert watch.said == ["not an event"]


async def test_without_its_guard_everything_stops() -> None:
    watch = Watch()

    def kill_guard_once_connected() -> bool:
        if watch.connected():
            os.kill(os.getpgid(watch.pids[0]), signal.SIGKILL)
        return False

    with pytest.raises(ExceptionGroup) as raised:
        await watch.run([job("steady")], kill_guard_once_connected)
    assert raised.group_contains(GuardLost, match="was ended by SIGKILL")
    assert not any(runs(pid) for pid in watch.pids)


class FakeLauncher(NamedTuple):
    """A launcher that is a process itself."""

    process: trio.Process
    pids: list[int]
    """The pids of its agents and, last, of its guard."""


async def start_launcher(grace_s: float, *behaviours: str) -> FakeLauncher:
    process = await trio.lowlevel.open_process(
        [sys.executable, str(HERE / "fake_launcher.py"), str(grace_s), *behaviours],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])},
    )
    assert process.stdout is not None
    text = b""
    with trio.fail_after(PATIENCE_S):
        while text.count(b"\n") < len(behaviours):
            data = await process.stdout.receive_some()
            assert data, f"the launcher ended: {await process.wait()}"
            text += data
    rows = [line.split() for line in text.decode().splitlines()]
    guard = int(rows[0][1])
    assert {int(row[1]) for row in rows} == {guard}
    return FakeLauncher(process, [*(int(row[0]) for row in rows), guard])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_signal_to_its_whole_group_stops_all(number: signal.Signals) -> None:
    launcher = await start_launcher(0.2, "steady", "steady", "stubborn")
    # As a terminal does on Ctrl-C: to the whole foreground process group.
    os.killpg(launcher.process.pid, number)
    with trio.fail_after(PATIENCE_S):
        assert await launcher.process.wait() == 0
    assert not any(runs(pid) for pid in launcher.pids)


async def test_a_launcher_killed_leaves_no_agent() -> None:
    launcher = await start_launcher(0.2, "steady", "stubborn")
    ends = [os.pidfd_open(pid) for pid in launcher.pids]
    launcher.process.kill()
    await launcher.process.wait()
    with trio.fail_after(PATIENCE_S):
        for end in ends:
            await trio.lowlevel.wait_readable(end)
            os.close(end)

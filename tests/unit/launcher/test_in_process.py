"""Many agents in one loop, in virtual time."""

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.event_lines import EventKind, EventLine
from derproto.base.runtime import virtual_runtime
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.generated_fleet import generate
from launcher.supervision import in_process
from launcher.supervision.fleet_events import AgentEnded, AgentStarted, FleetEvent
from launcher.supervision.in_process import STOP_S, LoopSettings, run_in_process
from tests.support.epoch import T0


async def no_headend() -> trio.abc.Stream:
    await trio.lowlevel.checkpoint()
    raise ConnectionRefusedError("connection refused")


@dataclass
class Stage:
    """A fleet in one loop, and its events."""

    size: int
    seen: list[FleetEvent] = field(default_factory=list)

    async def run(
        self, for_s: float, dial: Callable[[], Awaitable[trio.abc.Stream]] = no_headend
    ) -> None:
        fleet = generate(self.size)
        settings = LoopSettings(
            fleet=fleet,
            runtime=virtual_runtime(T0),
            dial=dial,
            authority="headend",
            rng=random.Random(7),
            on_event=self.seen.append,
        )
        stopping = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_in_process, plan_agents(fleet), settings, stopping)
            await trio.sleep(for_s)
            stopping.set()

    def count(self, kind: EventKind) -> Counter[str]:
        return Counter(h.agent_id for h in self.seen if isinstance(h, EventLine) and h.kind is kind)


async def test_every_agent_starts_once_and_keeps_trying(autojump_clock: MockClock) -> None:
    stage = Stage(20)
    await stage.run(for_s=60)
    started = Counter(h.agent_id for h in stage.seen if isinstance(h, AgentStarted))
    assert set(started.values()) == {1}
    assert len(started) == 20
    tries = stage.count(EventKind.CONNECTING)
    assert tries.keys() == started.keys()
    assert min(tries.values()) > 1
    assert trio.current_time() == 60


async def test_stopping_while_they_start_starts_no_more(autojump_clock: MockClock) -> None:
    stage = Stage(100)
    await stage.run(for_s=0.1)
    assert 1 <= sum(isinstance(h, AgentStarted) for h in stage.seen) < 10
    assert trio.current_time() == 0.1


async def test_an_agent_that_does_not_stop_is_cut_off(autojump_clock: MockClock) -> None:
    async def never() -> trio.abc.Stream:
        await trio.sleep_forever()
        raise AssertionError

    stage = Stage(3)
    await stage.run(for_s=5, dial=never)
    assert trio.current_time() == 5 + STOP_S


async def test_a_crash_ends_one_agent_for_a_while_and_no_other(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crashing = plan_agents(generate(3))[1]

    async def run_agent(plan: AgentPlan, *, stopping: trio.Event, **_others: object) -> None:
        if plan.agent_id == crashing.agent_id:
            await trio.sleep(2)
            raise ZeroDivisionError("of its own")
        await stopping.wait()

    monkeypatch.setattr(in_process, "run_agent", run_agent)
    stage = Stage(3)
    await stage.run(for_s=9.5)
    ends = [h for h in stage.seen if isinstance(h, AgentEnded)]
    assert {end.agent_id for end in ends} == {crashing.agent_id}
    assert {end.how for end in ends} == {"crashed (ZeroDivisionError: of its own)"}
    assert [end.wait_s for end in ends] == [1, 2, 4]
    assert caplog.text.count("ZeroDivisionError: of its own") == 3
    started = Counter(h.agent_id for h in stage.seen if isinstance(h, AgentStarted))
    assert started[crashing.agent_id] == 3
    assert sorted(started.values()) == [1, 1, 3]

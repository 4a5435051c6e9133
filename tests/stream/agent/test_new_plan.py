"""An agent takes over a changed plan while it runs, and leaves no device without its default."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.daemon import run_agent, run_lives
from deragent.devices import DeviceConfigError
from deragent.plan_keeper import PlanKeeper
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, Limits
from derproto.configuration.problems import ConfigError
from tests.stream.agent.conftest import Bench
from tests.stream.agent.fakes import STARTED, FakeDevice, plan

KEPT, SECOND, ADDED = plan(3).assets


@dataclass
class Lives:
    """An agent whose plan may change."""

    plans: PlanKeeper
    file: list[AgentPlan]
    """The plan that is read, last."""
    opened: list[tuple[Asset, FakeDevice]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """Assets whose device cannot be opened."""

    async def open(self, asset: Asset, _runtime: Runtime) -> FakeDevice:
        await trio.lowlevel.checkpoint()
        if asset.id in self.refused:
            raise DeviceConfigError(f"asset {asset.name}: there is no device")
        self.opened.append((asset, FakeDevice(asset)))
        return self.opened[-1][1]

    async def change(self, *assets: Asset) -> str | None:
        self.file.append(AgentPlan("agent-1", None, assets))
        return await self.plans.reload()


@asynccontextmanager
async def living(bench: Bench, data: Path, *assets: Asset) -> AsyncIterator[Lives]:
    """An agent with these assets, until the block ends."""
    file = [AgentPlan("agent-1", None, assets)]
    lives: Lives
    plans = PlanKeeper(
        file[0], lambda: file[-1], bench.runtime, lambda asset, runtime: lives.open(asset, runtime)
    )
    lives = Lives(plans, file)
    live = partial(
        run_agent,
        runtime=bench.runtime,
        dial=lambda: bench.network.connect("headend"),
        rng=random.Random(1),
        authority="headend",
        on_event=bench.events.append,
        data=data,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_lives, plans, live, bench.stopping)
        yield lives
        bench.stopping.set()


async def test_an_asset_comes_and_another_goes(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    async with living(bench, tmp_path, KEPT, SECOND) as lives:
        session = await bench.headend.wait_session(1)
        await session.order("d-kept", 0.5, seconds=3600)
        await session.order("d-gone", 0.7, seconds=3600, index=1)
        await bench.headend.wait_until(lambda: session.states.count(STARTED) == 2)
        kept, gone = (device for _, device in lives.opened)
        assert await lives.change(KEPT, ADDED) == "1 added, 1 removed, 0 changed"
        again = await bench.headend.wait_session(2)
        assert list(again.register.asset_ids) == [KEPT.id, ADDED.id]
        # The order in force goes on, and its device never left it.
        assert [(r.dispatch_id, r.state) for r in again.register.dispatches] == [
            ("d-kept", STARTED)
        ]
        assert {mw for _, mw in kept.told} == {0.5}
        assert [mw for _, mw in gone.told] == [0.7, 0.0]
        await trio.sleep(10)
        added = lives.opened[2][1]
        assert added.reads > 0
        assert added.told == []
        reads = gone.reads
        await trio.sleep(10)
        assert gone.reads == reads
        await again.order("d-added", 0.4, seconds=60, index=1)
        await bench.headend.wait_until(lambda: STARTED in again.states)
        assert [mw for _, mw in added.told] == [0.4]
    assert kept.told[-1][1] == 0.0, "the agent stopped"
    assert added.told[-1][1] == 0.0


async def test_a_changed_asset_gets_its_default_then_its_order_within_new_limits(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    async with living(bench, tmp_path, KEPT, SECOND) as lives:
        session = await bench.headend.wait_session(1)
        await session.order("d", 0.5, seconds=3600, index=1)
        await bench.headend.wait_until(lambda: STARTED in session.states)
        wider = replace(SECOND, limits=Limits(-0.75, 0.75))
        assert await lives.change(KEPT, wider) == "0 added, 0 removed, 1 changed"
        await bench.headend.wait_session(2)
        await trio.sleep(5)
        (before, after) = (device for asset, device in lives.opened if asset.id == SECOND.id)
        assert [mw for _, mw in before.told] == [0.5, 0.0]
        assert [mw for _, mw in after.told] == [0.5]


@pytest.mark.parametrize(
    ("wrong", "said"), [("device", "there is no device"), ("agent", "restart the agent")]
)
async def test_a_plan_that_cannot_be_changes_nothing(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path, wrong: str, said: str
) -> None:
    async with living(bench, tmp_path, KEPT) as lives:
        session = await bench.headend.wait_session(1)
        lives.refused.add(ADDED.id)
        read = AgentPlan("agent-1", None, (KEPT, ADDED))
        lives.file.append(read if wrong == "device" else replace(read, agent_id="other"))
        with pytest.raises(ConfigError, match=said):
            await lives.plans.reload()
        await trio.sleep(5)
        assert session.ended_s is None
        assert lives.plans.plan.assets == (KEPT,)
        assert await lives.change(KEPT) is None


async def test_a_device_that_no_life_takes_over_is_told_its_default(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    async with living(bench, tmp_path, KEPT) as lives:
        session = await bench.headend.wait_session(1)
        await session.order("d", 0.5, seconds=3600)
        await bench.headend.wait_until(lambda: STARTED in session.states)
        (device,) = (device for _, device in lives.opened)
        await lives.change(KEPT, ADDED)
        # The agent is stopped between two lives.
        await bench.headend.wait_until(lambda: session.ended_s is not None)
        bench.stopping.set()
    assert device.told[-1][1] == 0.0


async def test_a_kept_device_runs_on_and_one_that_changed_is_closed(
    autojump_clock: MockClock, bench: Bench, tmp_path: Path
) -> None:
    async with living(bench, tmp_path, KEPT, SECOND) as lives:
        await bench.headend.wait_session(1)
        (_, kept), (_, before) = lives.opened
        await lives.change(KEPT, replace(SECOND, default_mw=0.5))
        await bench.headend.wait_session(2)
        await trio.sleep(1)
        (_, after) = lives.opened[-1]
        assert (kept.running, before.running, after.running) == (1, 0, 1)
    assert (kept.running, after.running) == (0, 0)
    assert kept.told_alone == before.told_alone == after.told_alone == 0

"""A whole headend and a whole agent under virtual time, asked through what REST asks."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from deragent.board import Board
from deragent.config import AgentPlan
from deragent.daemon import run_agent
from derhead.config import HeadendConfig
from derhead.daemon import Listeners, run_headend
from derhead.dispatch import DoesNotFit, Order, SiteOrder, State, group_state
from derhead.headend import Headend
from derproto.base.fleet import Asset, AssetKind, DeviceSpec, Failsafe, Fleet, Limits, Site
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.triogrpc.testing import MemoryNetwork

START_US = 1_800_000_000_000_000
S = 1_000_000
HOUR_US = 3600 * S
SITE = "5c1f0000-0000-4000-8000-0000000000aa"
IDS = tuple(f"5c1f0000-0000-4000-8000-0000000000{n:02}" for n in range(10, 13))


def battery(asset_id: str) -> Asset:
    return Asset(
        asset_id,
        f"battery-{asset_id[-2:]}",
        SITE,
        AssetKind.BATTERY,
        2.0,
        Limits(-2.0, 2.0),
        energy_mwh=8.0,
        failsafe=Failsafe(20.0),
        device=DeviceSpec("simulated", {"soc": 0.5, "seed": 1}),
    )


FLEET = Fleet({SITE: Site(SITE, "mesa")}, {asset_id: battery(asset_id) for asset_id in IDS})


@dataclass
class World:
    folder: Path
    headend: Headend
    network: MemoryNetwork
    nursery: trio.Nursery
    runtime: Runtime

    async def start_agent(self, asset_id: str, clock_ahead_us: int = 0) -> trio.CancelScope:
        """One asset's agent, whose clock is so much ahead; cancel it and it is dead."""
        wall_us: Callable[[], int] = self.runtime.wall_us
        scope = trio.CancelScope()

        async def live(task_status: trio.TaskStatus[Board] = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                await run_agent(
                    AgentPlan(asset_id, SITE, (FLEET.assets[asset_id],)),
                    runtime=replace(self.runtime, wall_us=lambda: wall_us() + clock_ahead_us),
                    dial=lambda: self.network.connect("headend"),
                    rng=random.Random(1),
                    authority="headend",
                    on_event=lambda event: None,
                    stopping=trio.Event(),
                    task_status=task_status,
                )

        await self.nursery.start(live)
        return scope


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    runtime, network = virtual_runtime(START_US), MemoryNetwork()
    stopping = trio.Event()
    config = HeadendConfig(assets=folder / "assets.yaml", data=folder / "derhead")
    async with trio.open_nursery() as outer:
        headend: Headend = await outer.start(
            lambda task_status: run_headend(
                config,
                FLEET,
                Listeners(grpc=[network.listen("headend")], http=[network.listen("rest")]),
                runtime=runtime,
                stopping=stopping,
                task_status=task_status,
            )
        )
        async with trio.open_nursery() as agents:
            yield World(folder, headend, network, agents, runtime)
            agents.cancel_scope.cancel()
        stopping.set()


@pytest.mark.parametrize("ahead_us", [-7 * HOUR_US, 2 * S, 7 * HOUR_US])
async def test_a_clock_that_is_off_moves_no_window_and_spoils_no_verdict(
    tmp_path: Path, autojump_clock: MockClock, ahead_us: int
) -> None:
    async with world(tmp_path) as here:
        await here.start_agent(IDS[0], ahead_us)
        await trio.sleep(10)
        (agent,) = here.headend.agents()
        assert agent.clock_offset_us == pytest.approx(ahead_us, abs=S)
        dispatch = await here.headend.order(Order(IDS[0], 1.0, 60 * S))
        await trio.sleep(59)
        running = await here.headend.history.dispatch(dispatch.id)
        assert running is not None
        assert running.state is State.STARTED
        await trio.sleep(31)
        ended = await here.headend.history.dispatch(dispatch.id)
        assert ended is not None
        assert ended.state is State.COMPLETED
        assert ended.states[-1].at_us - ended.start_us == pytest.approx(60 * S, abs=S / 2)
        assert ended.verdict is not None
        assert '"outcome":"achieved"' in ended.verdict
        assert '"covered":1.0' in ended.verdict


async def test_a_site_holds_its_power_through_the_end_of_an_agent(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with world(tmp_path) as here:
        agents = [await here.start_agent(asset_id) for asset_id in IDS]
        await trio.sleep(10)
        found = await here.headend.order_site(SiteOrder(SITE, -3.0, 600 * S))
        assert not isinstance(found, DoesNotFit)
        await trio.sleep(1)
        agents[0].cancel()
        await trio.sleep(19)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        assert len(stored[1]) == 3, "its agent may come back"
        await trio.sleep(10)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        state = group_state(*stored)
        assert (state.shortfall_mw, state.started) == (0.0, 3)
        now = [here.headend.latest.get(asset_id) for asset_id in IDS[1:]]
        assert [sample and sample.p_mw for sample in now] == [-1.5, -1.5]
        # Back again, it lets its part go.
        await here.start_agent(IDS[0])
        await trio.sleep(60)
        stored = await here.headend.history.group(found[0].id)
        assert stored is not None
        assert [part.state for part in stored[1] if part.asset_id == IDS[0]] != [State.STARTED]
        assert len(stored[1]) == 5
        assert group_state(*stored).shortfall_mw == 0.0

"""A whole headend and a whole agent under virtual time, asked through what REST asks."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import trio

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.outbox import OutboxLimits
from deragent.tasks.agent_board import AgentBoard
from derhead.config import HeadendConfig
from derhead.daemon import Listeners, run_headend
from derhead.headend import Headend
from derproto.base.fleet import Asset, AssetKind, DeviceSpec, Failsafe, Fleet, Limits, Site
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.triogrpc.testing import MemoryNetwork
from tests.support.epoch import T0

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

    async def start_agent(
        self,
        asset_id: str,
        clock_ahead_us: int = 0,
        *,
        boot: int = 1,
        data: Path | None = None,
        outbox: OutboxLimits | None = None,
    ) -> trio.CancelScope:
        """One asset's agent, whose clock is so much ahead; cancel it and it is dead."""
        wall_us: Callable[[], int] = self.runtime.wall_us
        scope = trio.CancelScope()

        async def live(task_status: trio.TaskStatus[AgentBoard] = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                await run_agent(
                    AgentPlan(asset_id, SITE, (FLEET.assets[asset_id],)),
                    runtime=replace(self.runtime, wall_us=lambda: wall_us() + clock_ahead_us),
                    dial=lambda: self.network.connect("headend"),
                    rng=random.Random(boot),
                    data=data,
                    outbox=outbox,
                    authority="headend",
                    on_event=lambda event: None,
                    stopping=trio.Event(),
                    task_status=task_status,
                )

        await self.nursery.start(live)
        return scope


@asynccontextmanager
async def world(folder: Path, runtime: Runtime | None = None) -> AsyncIterator[World]:
    """A headend on that folder; with the ``runtime`` of an earlier one, as its next life."""
    runtime, network = runtime or virtual_runtime(T0), MemoryNetwork()
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

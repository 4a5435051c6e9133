"""The real headend and real agents in one process, under virtual time, over links in memory."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.event_lines import EventLine
from deragent.outbox import OutboxLimits
from deragent.tasks.agent_board import AgentBoard
from derhead.config import HeadendConfig
from derhead.daemon.composition import Listeners, run_headend
from derhead.daemon.fleet_keeper import FleetKeeper
from derhead.headend import Headend
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.fleet import Asset, Fleet
from derproto.triogrpc.testing import MemoryNetwork
from tests.support.epoch import T0

HEADEND = "headend"
"""The host that agents dial."""


async def run_virtual_headend(
    folder: Path,
    fleet: Fleet,
    network: MemoryNetwork,
    runtime: Runtime,
    *,
    hosts: tuple[str, ...] = (HEADEND,),
    stopping: trio.Event | None = None,
    fleet_keeper: FleetKeeper | None = None,
    registers_per_s: float = 200.0,
    task_status: trio.TaskStatus[Headend] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Runs ``derhead serve`` with its data in the folder, reachable under each of ``hosts``."""

    async def open_grpc() -> list[trio.abc.Listener[trio.abc.Stream]]:
        return [network.listen(host) for host in hosts]

    await run_headend(
        HeadendConfig(
            assets=folder / "assets.yaml",
            data=folder / "derhead",
            registers_per_s=registers_per_s,
        ),
        fleet,
        Listeners(open_grpc, [network.listen("rest")]),
        runtime=runtime,
        stopping=trio.Event() if stopping is None else stopping,
        fleet_keeper=fleet_keeper,
        task_status=task_status,
    )


@dataclass
class VirtualAgent:
    """A running agent of one asset."""

    board: AgentBoard
    _scope: trio.CancelScope
    _stopping: trio.Event
    _ended: trio.Event

    def kill(self) -> None:
        """Ends the agent at once, as a power cut does."""
        self._scope.cancel()

    async def stop(self) -> None:
        """Ends the agent in order; returns once it is gone."""
        self._stopping.set()
        await self._ended.wait()


@dataclass
class VirtualWorld:
    """A running headend, and the nursery of its agents."""

    folder: Path
    fleet: Fleet
    headend: Headend
    network: MemoryNetwork
    runtime: Runtime
    nursery: trio.Nursery
    fleet_keeper: FleetKeeper
    agents: list[VirtualAgent] = field(default_factory=list)

    async def start_agent(
        self,
        asset_id: str,
        *more: Asset,
        seed: int = 1,
        clock_ahead_us: int = 0,
        data: Path | None = None,
        outbox: OutboxLimits | None = None,
        on_event: Callable[[EventLine], None] = lambda _event: None,
        host: str = HEADEND,
    ) -> VirtualAgent:
        """Starts the agent of one asset, and of ``more`` ones.

        The seed draws its boot id, phases and jitter.
        """
        asset = self.fleet.assets[asset_id]
        wall_us = self.runtime.wall_us
        scope, stopping, ended = trio.CancelScope(), trio.Event(), trio.Event()

        async def live(task_status: trio.TaskStatus[AgentBoard] = trio.TASK_STATUS_IGNORED) -> None:
            with scope:
                await run_agent(
                    AgentPlan(asset_id, asset.site_id, (asset, *more)),
                    runtime=replace(self.runtime, wall_us=lambda: wall_us() + clock_ahead_us),
                    dial=lambda: self.network.connect(host),
                    rng=random.Random(seed),
                    authority=HEADEND,
                    outbox=outbox,
                    on_event=on_event,
                    data=data,
                    stopping=stopping,
                    task_status=task_status,
                )
            ended.set()

        board = await self.nursery.start(live)
        agent = VirtualAgent(board, scope, stopping, ended)
        self.agents.append(agent)
        return agent

    async def stop_agents(self) -> None:
        """Ends every agent in order, all at the same time."""
        async with trio.open_nursery() as ending:
            for agent in self.agents:
                ending.start_soon(agent.stop)

    def refuse_agents(self) -> None:
        """Cuts every connection of agents, and lets none in."""
        self.network.refuse(HEADEND, True)
        self.network.cut(HEADEND)

    def admit_agents(self) -> None:
        """Lets agents in again."""
        self.network.refuse(HEADEND, False)


@asynccontextmanager
async def virtual_world(
    folder: Path,
    fleet: Fleet,
    *,
    runtime: Runtime | None = None,
    hosts: tuple[str, ...] = (HEADEND,),
    registers_per_s: float = 200.0,
) -> AsyncIterator[VirtualWorld]:
    """A headend on that folder for the block; the ``runtime`` of an earlier one continues it.

    At the end of the block agents that still run are killed, and the headend stops in order.
    """
    # The clock is virtual only if the test asks for it.
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    runtime, network = runtime or virtual_runtime(T0), MemoryNetwork()
    stopping = trio.Event()
    fleet_keeper = FleetKeeper(folder / "assets.yaml", fleet, runtime)
    async with trio.open_nursery() as outer:
        headend: Headend = await outer.start(
            lambda task_status: run_virtual_headend(
                folder,
                fleet,
                network,
                runtime,
                hosts=hosts,
                stopping=stopping,
                fleet_keeper=fleet_keeper,
                registers_per_s=registers_per_s,
                task_status=task_status,
            )
        )
        async with trio.open_nursery() as agents:
            yield VirtualWorld(folder, fleet, headend, network, runtime, agents, fleet_keeper)
            agents.cancel_scope.cancel()
        stopping.set()

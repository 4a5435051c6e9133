"""One agent and one fake headend, in memory, under virtual time."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.daemon import run_agent
from deragent.event_lines import EventKind, EventLine
from deragent.outbox import OutboxLimits
from deragent.tasks.agent_board import AgentBoard
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.configuration.fleet import Failsafe
from derproto.triogrpc.testing import MemoryNetwork
from tests.stream.agent.fakes import AFTER_A_MINUTE, FakeDevices, FakeHeadend, FakeSession, plan
from tests.support.agents import AgentStatistics, statistics_of
from tests.support.epoch import T0


@dataclass
class Bench:
    """An agent, its devices and its headend, for one test."""

    network: MemoryNetwork
    headend: FakeHeadend
    nursery: trio.Nursery
    runtime: Runtime
    devices: FakeDevices = field(default_factory=FakeDevices)
    events: list[EventLine] = field(default_factory=list)
    stopping: trio.Event = field(default_factory=trio.Event)
    board: AgentBoard | None = None

    async def start_agent(
        self,
        *,
        assets: int = 1,
        outbox: OutboxLimits | None = None,
        backfill_rows_s: int = 5000,
        seed: int = 1,
        default_mw: float | None = 0.0,
        failsafe: Failsafe = AFTER_A_MINUTE,
        data: Path | None = None,
    ) -> None:
        """Starts an agent with so many batteries."""

        async def run(task_status: trio.TaskStatus[AgentBoard]) -> None:
            await run_agent(
                plan(assets, default_mw=default_mw, failsafe=failsafe),
                runtime=self.runtime,
                dial=lambda: self.network.connect("headend"),
                rng=random.Random(seed),
                authority="headend",
                outbox=outbox,
                backfill_rows_s=backfill_rows_s,
                on_event=self.events.append,
                open_device=self.devices.open,
                data=data,
                stopping=self.stopping,
                task_status=task_status,
            )

        self.board = await self.nursery.start(run)

    async def start_session(self, **agent: Any) -> FakeSession:
        """Starts an agent, and returns its first session."""
        await self.start_agent(**agent)
        return await self.headend.wait_session(1)

    def cut_link(self) -> None:
        """Ends the connection; the agent may come back at once."""
        self.network.cut("headend")

    def headend_leaves(self) -> None:
        """Nobody gets through to the headend until ``headend_returns``."""
        self.network.refuse("headend", True)
        self.network.cut("headend")

    def headend_returns(self) -> None:
        self.network.refuse("headend", False)

    @property
    def statistics(self) -> AgentStatistics:
        assert self.board is not None
        return statistics_of(self.board)

    def details(self, kind: EventKind) -> list[dict[str, str | float | int | None]]:
        """The details of all events of that kind."""
        return [dict(event.detail) for event in self.events if event.kind is kind]


async def open_bench(nursery: trio.Nursery) -> Bench:
    # The clock is the test's only if the test itself asks for it.
    assert isinstance(trio.lowlevel.current_clock(), MockClock)
    network = MemoryNetwork()
    headend = FakeHeadend(network)
    await nursery.start(headend.serve)
    runtime = replace(virtual_runtime(T0), since_boot=up("boot-1"))
    return Bench(network, headend, nursery, runtime)


def up(boot: str) -> Callable[[], tuple[str, int]]:
    """A machine that booted under that name when Trio's time was 0."""
    return lambda: (boot, round(trio.current_time() * 1e6))


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    return await open_bench(nursery)


@pytest.fixture
async def other_bench(nursery: trio.Nursery) -> Bench:
    """A second agent, in a world of its own."""
    return await open_bench(nursery)

"""A whole world in one process under virtual time: the real headend, real agents, a bad link.

Everything is drawn from one seed: the fleet, the agents' phases and jitter, when the link
drops and for how long, what is ordered, and the order in which Trio runs its tasks. The
same seed gives the same events.
"""

import random
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import trio
from trio.testing import MockClock

from deragent.config import AgentPlan
from deragent.daemon import run_agent
from deragent.event_lines import EventLine
from deragent.tasks.agent_board import AgentStatistics
from derhead.config import HeadendConfig
from derhead.daemon import Listeners, run_headend
from derhead.dispatch import Order
from derhead.headend import Headend
from derproto.base.fleet import Fleet
from derproto.base.runtime import Runtime, virtual_runtime
from derproto.triogrpc.testing import MemoryNetwork
from launcher.plan import generate
from tests.support.deterministic import deterministic_trio
from tests.support.epoch import T0

SETTLE_S = 60.0
"""Quiet at the end, with the link up, for outboxes to drain."""


@dataclass
class Account:
    """What happened, and what is left."""

    events: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds since the start, agent, kind), in the order they happened."""
    cuts: int = 0
    orders: dict[str, str] = field(default_factory=dict)
    """The state in which each dispatch was at the end."""
    agents: dict[str, AgentStatistics] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    """Samples of each asset in the journal."""
    unexplained_gaps: int = 0
    tasks_left: int = 0


def play(folder: Path, *, agents: int, hours: float, seed: int) -> Account:
    """Plays ``hours`` of a headend and its agents, and tells what happened."""
    account = Account()
    with deterministic_trio(seed):
        trio.run(
            _live,
            folder,
            agents,
            hours * 3600,
            seed,
            account,
            clock=MockClock(autojump_threshold=0),
        )
    return account


async def _live(folder: Path, agents: int, seconds: float, seed: int, account: Account) -> None:
    tasks_before = trio.lowlevel.current_statistics().tasks_living
    runtime = virtual_runtime(T0)
    rng = random.Random(seed)
    network = MemoryNetwork()
    fleet = generate(agents, seed)
    config = HeadendConfig(assets=folder / "assets.yaml", data=folder / "derhead")
    stopping = trio.Event()
    async with trio.open_nursery() as world:
        headend: Headend = await world.start(
            lambda task_status: run_headend(
                config,
                fleet,
                Listeners(grpc=[network.listen("headend")], http=[network.listen("rest")]),
                runtime=runtime,
                stopping=stopping,
                task_status=task_status,
            )
        )
        async with trio.open_nursery() as sites:
            boards = {}
            agents_stopping = trio.Event()
            for asset in fleet.assets.values():
                board = await sites.start(
                    lambda task_status, asset=asset: run_agent(
                        AgentPlan(asset.id, asset.site_id, (asset,)),
                        runtime=runtime,
                        dial=lambda: network.connect("headend"),
                        rng=random.Random(rng.getrandbits(64)),
                        authority="headend",
                        data=folder / asset.id,
                        on_event=lambda event: _note(account, event),
                        stopping=agents_stopping,
                        task_status=task_status,
                    )
                )
                boards[asset.id] = board
            async with trio.open_nursery() as weather:
                weather.start_soon(_drop_links, network, random.Random(rng.random()), account)
                weather.start_soon(
                    _order, headend, fleet, random.Random(rng.random()), account, runtime
                )
                await trio.sleep(seconds - SETTLE_S)
                weather.cancel_scope.cancel()
            network.refuse("headend", False)
            await trio.sleep(SETTLE_S)
            account.agents = {asset_id: board.statistics() for asset_id, board in boards.items()}
            agents_stopping.set()
        await _audit(headend, fleet, account)
        stopping.set()
    account.tasks_left = trio.lowlevel.current_statistics().tasks_living - tasks_before


def _note(account: Account, event: EventLine) -> None:
    at_s = round((event.at_us - T0) / 1e6, 6)
    state = event.detail.get("state", "")
    account.events.append((at_s, event.agent_id, f"{event.kind.value} {state}".strip()))


async def _drop_links(network: MemoryNetwork, rng: random.Random, account: Account) -> None:
    """Now and then every connection is cut, and for a while nobody gets through."""
    while True:
        await trio.sleep(rng.uniform(60, 600))
        account.cuts += 1
        network.refuse("headend", True)
        network.cut("headend")
        await trio.sleep(rng.uniform(0, 45))
        network.refuse("headend", False)


async def _order(
    headend: Headend, fleet: Fleet, rng: random.Random, account: Account, runtime: Runtime
) -> None:
    """Orders something of some asset about every two minutes, online or not."""
    assets = list(fleet.assets.values())
    while True:
        await trio.sleep(rng.uniform(30, 210))
        asset = rng.choice(assets)
        mw = rng.uniform(asset.limits.min_mw, asset.limits.max_mw)
        duration_us = round(rng.uniform(10, 120) * 1e6)
        dispatch = await headend.order(Order(asset.id, mw, duration_us))
        account.orders[dispatch.id] = dispatch.state


async def _audit(headend: Headend, fleet: Fleet, account: Account) -> None:
    """Reads back from the journal what it holds of everything."""
    for dispatch_id in account.orders:
        dispatch = await headend.history.dispatch(dispatch_id)
        assert dispatch is not None
        account.orders[dispatch_id] = dispatch.state
    for asset_id in fleet.assets:
        times: list[int] = []
        cursor = None
        while True:
            page = await headend.history.telemetry_history(
                asset_id, from_us=None, to_us=None, limit=1000, cursor=cursor
            )
            times += [sample.ts_us for sample in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        account.stored[asset_id] = len(times)
        assert len(set(times)) == len(times), "a sample is stored twice"
        steps = [newer - older for newer, older in pairwise(times)]
        account.unexplained_gaps += sum(1 for step in steps if step > 4_100_000)

"""A whole world in one process under virtual time: the real headend, real agents, a bad link.

Everything is drawn from one seed: the fleet, the agents' phases and jitter, when the link
drops and for how long, what is ordered, and the order in which Trio runs its tasks. The
same seed gives the same events.
"""

import random
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import trio
from trio.testing import MockClock

from deragent.event_lines import EventLine
from derhead.dispatch import AssetOrder
from derhead.headend import Headend
from derhead.history.sql.page_request import PageRequest
from derproto.configuration.fleet import Fleet
from launcher.fleets.generated_fleet import generate
from tests.support.agents import AgentStatistics, statistics_of
from tests.support.deterministic import deterministic_trio
from tests.support.epoch import T0
from tests.support.virtual import VirtualWorld, virtual_world

SETTLE_S = 60.0
"""Quiet at the end, with the link up, for outboxes to drain."""


@dataclass
class Account:
    """The record of a run, and what it left behind."""

    events: list[tuple[float, str, str]] = field(default_factory=list)
    """(seconds since the start, agent, kind), in the order they happened."""
    cuts: int = 0
    orders: dict[str, str] = field(default_factory=dict)
    """The last state of each dispatch, by its id."""
    agents: dict[str, AgentStatistics] = field(default_factory=dict)
    stored: dict[str, int] = field(default_factory=dict)
    """Samples of each asset in the journal."""
    unexplained_gaps: int = 0
    tasks_left: int = 0


def play(folder: Path, *, agents: int, hours: float, seed: int) -> Account:
    """Plays ``hours`` of a headend and its agents, and returns the record."""
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
    rng = random.Random(seed)
    async with virtual_world(folder, generate(agents, seed)) as world:
        for asset_id in world.fleet.assets:
            await world.start_agent(
                asset_id,
                seed=rng.getrandbits(64),
                data=folder / asset_id,
                on_event=partial(_note, account),
            )
        async with trio.open_nursery() as weather:
            weather.start_soon(_drop_links, world, random.Random(rng.random()), account)
            weather.start_soon(_order, world, random.Random(rng.random()), account)
            await trio.sleep(seconds - SETTLE_S)
            weather.cancel_scope.cancel()
        world.admit_agents()
        await trio.sleep(SETTLE_S)
        account.agents = {
            asset_id: statistics_of(agent.board)
            for asset_id, agent in zip(world.fleet.assets, world.agents, strict=True)
        }
        await world.stop_agents()
        await _audit(world.headend, world.fleet, account)
    account.tasks_left = trio.lowlevel.current_statistics().tasks_living - tasks_before


def _note(account: Account, event: EventLine) -> None:
    at_s = round((event.at_us - T0) / 1e6, 6)
    state = event.detail.get("state", "")
    account.events.append((at_s, event.agent_id, f"{event.kind.value} {state}".strip()))


async def _drop_links(world: VirtualWorld, rng: random.Random, account: Account) -> None:
    """Cuts every connection now and then, and refuses new ones for a while."""
    while True:
        await trio.sleep(rng.uniform(60, 600))
        account.cuts += 1
        world.refuse_agents()
        await trio.sleep(rng.uniform(0, 45))
        world.admit_agents()


async def _order(world: VirtualWorld, rng: random.Random, account: Account) -> None:
    """Orders power of a random asset about every two minutes, online or not."""
    assets = list(world.fleet.assets.values())
    while True:
        await trio.sleep(rng.uniform(30, 210))
        asset = rng.choice(assets)
        mw = rng.uniform(asset.limits.min_mw, asset.limits.max_mw)
        duration_us = round(rng.uniform(10, 120) * 1e6)
        dispatch = await world.headend.order(AssetOrder(asset.id, mw, duration_us))
        account.orders[dispatch.id] = dispatch.state


async def _audit(headend: Headend, fleet: Fleet, account: Account) -> None:
    """Reads the orders and samples of all assets back from the journal."""
    for dispatch_id in account.orders:
        dispatch = await headend.history.dispatch(dispatch_id)
        assert dispatch is not None
        account.orders[dispatch_id] = dispatch.state
    for asset_id in fleet.assets:
        times: list[int] = []
        cursor = None
        while True:
            page = await headend.history.telemetry_history(
                asset_id, PageRequest(1000, cursor=cursor)
            )
            times += [sample.ts_us for sample in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
        account.stored[asset_id] = len(times)
        assert len(set(times)) == len(times), "a sample is stored twice"
        steps = [newer - older for newer, older in pairwise(times)]
        account.unexplained_gaps += sum(1 for step in steps if step > 4_100_000)

"""A site of thousands of assets is walked in turns, between which other tasks run."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from derhead.dispatch import DispatchDesk, DoesNotFit, SiteDesk, SiteOrder
from derhead.dispatch.sites.candidates import ASSETS_A_TURN
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from tests.support.assets import fleet_of, make_asset
from tests.support.epoch import T0
from tests.unit.dispatch.sites.site_world import Store

ASSETS = 5_000
FLEET = fleet_of(*(make_asset(f"a{n}", low_mw=-1.0, high_mw=1.0) for n in range(ASSETS)))


class Looks(trio.abc.Instrument):
    """Counts the assets that are looked at in each step of a task."""

    def __init__(self) -> None:
        self.now = 0
        self.steps: list[int] = []

    def holder(self, _asset_id: str) -> str:
        self.now += 1
        return "agent"

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps.append(self.now)
        self.now = 0


async def show(sites: SiteDesk) -> None:
    now = await sites.now("site")
    assert (now.total, now.online, now.p_mw) == (ASSETS, ASSETS, ASSETS / 2)


async def try_out(sites: SiteDesk) -> None:
    found = await sites.preflight_site(SiteOrder("site", -3.0))
    assert len(found.parts) == ASSETS


async def order(sites: SiteDesk) -> None:
    found = await sites.order(SiteOrder("site", -3.0))
    assert not isinstance(found, DoesNotFit)
    assert len(found[1]) == ASSETS


@pytest.mark.parametrize("ask", [show, try_out, order])
async def test_a_site_of_thousands_of_assets_is_walked_in_turns(
    ask: Callable[[SiteDesk], Awaitable[None]], nursery: trio.Nursery
) -> None:
    latest, runtime, store, looks = LatestTable(), virtual_runtime(T0), Store(), Looks()
    for asset_id in FLEET.assets:
        latest.offer(Sample(asset_id, "x", 1, 1, T0, T0, p_mw=0.5, soc=0.5))
    desk = DispatchDesk(store, runtime)
    await nursery.start(desk.run)
    sites = SiteDesk(desk, store, FLEET, latest, looks.holder, runtime, telemetry_period_ms=4000)
    trio.lowlevel.add_instrument(looks)
    await ask(sites)
    await trio.lowlevel.checkpoint()
    trio.lowlevel.remove_instrument(looks)
    assert sum(looks.steps) >= ASSETS
    assert max(looks.steps) <= ASSETS_A_TURN

"""A site of thousands of assets is walked in turns, between which other tasks run."""

from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from derhead.dispatch import Dispatch, DispatchDesk, DoesNotFit, SiteDesk, SiteOrder, State
from derhead.dispatch.desk import draft
from derhead.dispatch.desk.dispatch_desk import STEPS_A_TURN
from derhead.dispatch.life.lifecycle import Event, step
from derhead.dispatch.sites.candidates import ASSETS_A_TURN
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from tests.support.assets import fleet_of, make_asset
from tests.support.dispatch.desk_fakes import Link
from tests.support.epoch import T0
from tests.unit.dispatch.sites.site_world import Store

ASSETS = 5_000
FLEET = fleet_of(*(make_asset(f"a{n}", low_mw=-1.0, high_mw=1.0) for n in range(ASSETS)))


class Looks(trio.abc.Instrument):
    """Counts the assets looked at, and the dispatches changed, in each step of a task."""

    def __init__(self) -> None:
        self.now = self.changes_now = 0
        self.steps: list[int] = []
        self.changes: list[int] = []

    def holder(self, _asset_id: str) -> str:
        self.now += 1
        return "agent"

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps.append(self.now)
        self.changes.append(self.changes_now)
        self.now = self.changes_now = 0

    def step(self, dispatch: Dispatch, event: Event, now_us: int) -> Dispatch:
        self.changes_now += 1
        return step(dispatch, event, now_us)


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
    assert {part.state for part in found[1]} == {State.SENT}


@pytest.mark.parametrize("ask", [show, try_out, order])
async def test_a_site_of_thousands_of_assets_is_walked_in_turns(
    ask: Callable[[SiteDesk], Awaitable[None]],
    nursery: trio.Nursery,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    latest, runtime, store, looks = LatestTable(), virtual_runtime(T0), Store(), Looks()
    for asset_id in FLEET.assets:
        latest.offer(Sample(asset_id, "x", 1, 1, T0, T0, p_mw=0.5, soc=0.5))
    desk = DispatchDesk(store, runtime)
    await nursery.start(desk.run)
    sites = SiteDesk(desk, store, FLEET, latest, looks.holder, runtime, telemetry_period_ms=4000)
    monkeypatch.setattr(draft, "step", looks.step)
    desk.session_opened_nowait(Link("s1", tuple(FLEET.assets), room=ASSETS), ())
    await wait_all_tasks_blocked()
    trio.lowlevel.add_instrument(looks)
    await ask(sites)
    await trio.lowlevel.checkpoint()
    trio.lowlevel.remove_instrument(looks)
    assert sum(looks.steps) >= ASSETS
    assert max(looks.steps) <= ASSETS_A_TURN
    assert max(looks.changes) <= STEPS_A_TURN

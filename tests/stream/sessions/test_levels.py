"""A whole headend counts the service levels of its agents, and goes on after a restart."""

from pathlib import Path

import pytest
from trio import sleep
from trio.testing import MockClock

from derhead.dispatch import AssetOrder
from derhead.gaps import HoleCause
from derhead.history.sql.page_request import PageRequest
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import HOUR_US, T0, S
from tests.support.fleets import BATTERIES, read_fleet, site_of_batteries
from tests.support.virtual import virtual_world

ASSET, SILENT = BATTERIES[:2]


async def test_a_link_that_was_down_and_dispatches_are_counted(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with virtual_world(tmp_path, read_fleet(tmp_path, site_of_batteries(2, 20))) as here:
        levels = here.headend.levels
        await here.start_agent(ASSET)
        await sleep(20)
        await here.headend.order(AssetOrder(ASSET, 1.0, 60 * S))
        await sleep(40)
        here.refuse_agents()
        await sleep(120)
        here.admit_agents()
        await sleep(120)
        sums = levels.sums(ASSET)
        assert (sums.assets, sums.reconnects, sums.outages) == (1, 1, 1)
        assert sums.from_us == pytest.approx(T0 + 2 * S, abs=2.5 * S)
        assert sums.counted_us == pytest.approx(298 * S, abs=2.5 * S)
        # Up to 10 s of the outage the newest sample was young enough; the agent came back after
        # up to half a minute.
        assert 105 * S < sums.longest_us < 160 * S
        assert sums.counted_us - sums.fresh_us == sums.longest_us
        assert 110 * S < sums.counted_us - sums.held_us < 160 * S
        assert (sums.received.total, sums.started.total) == (1, 1)
        assert sums.received.late == sums.started.late == 0
        ((cause, count),) = levels.gaps(ASSET).counts(here.runtime.wall_us())
        assert (cause, count.gaps, count.unfilled) == (HoleCause.LINK, 1, 0)
        assert levels.sums(SILENT).assets == 0


@pytest.mark.parametrize(("down_s", "hours"), [(60, [1, 0]), (2 * 3600, [3, 2, 0])])
async def test_a_headend_that_was_down_goes_on_from_the_journal(
    tmp_path: Path, autojump_clock: MockClock, down_s: int, hours: list[int]
) -> None:
    runtime = virtual_runtime(T0 + 3400 * S)
    fleet = read_fleet(tmp_path, site_of_batteries(1, 20))
    async with virtual_world(tmp_path, fleet, runtime=runtime) as here:
        await here.start_agent(ASSET)
        await sleep(100)
        before = here.headend.levels.sums(ASSET)
    await sleep(down_s)
    async with virtual_world(tmp_path, fleet, runtime=runtime) as here:
        await here.start_agent(ASSET)
        await sleep(150)
        sums = here.headend.levels.sums(ASSET)
        page = await here.headend.history.service_levels(ASSET, PageRequest(10))
    assert before.telemetry == 1.0
    assert (sums.from_us, sums.reconnects) == (before.from_us, 1)
    assert sums.down_us == pytest.approx(down_s * S, abs=3 * S)
    assert sums.counted_us == pytest.approx((250 + down_s) * S, abs=5 * S)
    assert sums.counted_us - sums.fresh_us == sums.longest_us >= sums.down_us
    # The hour in which no headend ran needs no record.
    assert [(each.hour_us - T0) // HOUR_US for each in page.items] == hours


async def test_an_asset_that_leaves_the_fleet_counts_no_longer(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    fleet = read_fleet(tmp_path, site_of_batteries(2, 20))
    async with virtual_world(tmp_path, fleet) as here:
        await here.start_agent(SILENT)
        await sleep(30)
        read_fleet(tmp_path, site_of_batteries(1, 20))
        await here.fleet_keeper.reload()
        await sleep(30)
        assert here.headend.levels.sums(SILENT).assets == 0
        page = await here.headend.history.service_levels(SILENT, PageRequest(10))
        assert page.items[0].seen_us == pytest.approx(28 * S, abs=2.5 * S)
        read_fleet(tmp_path, site_of_batteries(2, 20))
        await here.fleet_keeper.reload()
        await sleep(60)
        # The hour goes on, without the time outside of the fleet.
        assert here.headend.levels.sums(SILENT).counted_us == pytest.approx(85 * S, abs=6 * S)

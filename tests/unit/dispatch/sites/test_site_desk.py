"""Orders to sites, their withdrawal, and their preflight."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import AssetOrder, Dispatch, DoesNotFit, KeyClaim, NotOpen, SiteOrder, State
from derhead.dispatch.orders.preflight import Afterwards
from derhead.errors import JournalError
from tests.support.epoch import T0, S
from tests.unit.dispatch.sites.site import NAMES
from tests.unit.dispatch.sites.site_world import ORDER, World


async def test_an_order_is_split_and_journaled_with_its_parts(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES[:3])
    found = await world.sites.order(replace(ORDER, ordered_by="anna"), KeyClaim("k", "f"))
    assert not isinstance(found, DoesNotFit)
    group, parts = found
    assert world.store.writes == 1
    assert world.store.groups == {group.id: group}
    assert [(used.key, used.kind, used.target_id) for used in world.store.keys] == [
        ("k", "group", group.id)
    ]
    assert {part.asset_id: part.group_id for part in parts} == dict.fromkeys("abc", group.id)
    assert sum(part.mw for part in parts) == pytest.approx(2.0, abs=1e-12)
    assert {part.window for part in parts} == {group.window}
    assert {group.ordered_by, *(part.ordered_by for part in parts)} == {"anna"}
    assert [left.asset_id for left in group.left_out] == ["d"]


@pytest.mark.parametrize("mw", [3.5, 0.0])
async def test_an_order_that_does_not_fit_is_refused(
    world: World, autojump_clock: MockClock, mw: float
) -> None:
    if mw:
        world.come(*NAMES[:3])
    found = await world.sites.order(SiteOrder("site", mw))
    high_mw = 3.0 if mw else 0.0
    assert isinstance(found, DoesNotFit)
    assert (found.low_mw, found.high_mw) == (-high_mw, high_mw)
    assert world.store.kept == {}


async def test_an_asset_under_a_higher_priority_takes_no_part(
    world: World, autojump_clock: MockClock
) -> None:
    world.come("a", "b", "c")
    await world.desk.order(AssetOrder("a", 0.1, 60 * S, priority=1))
    await world.desk.order(AssetOrder("b", 0.1, 60 * S, priority=200))
    later = await world.desk.order(AssetOrder("c", 0.1, 60 * S, priority=1, start_us=T0 + 300 * S))
    found = await world.sites.order(SiteOrder("site", 1.0, 299 * S))
    assert not isinstance(found, DoesNotFit)
    assert {part.asset_id for part in found[1]} == {"b", "c"}
    assert found[0].left_out[0].why == "follows an order of a higher priority"
    await world.desk.cancel(later.id, "by hand")
    assert isinstance(await world.sites.order(SiteOrder("site", 2.5, 600 * S)), DoesNotFit)
    assert not isinstance(await world.sites.order(SiteOrder("site", 2.0, 600 * S)), DoesNotFit)


async def test_an_order_that_the_journal_refuses_leaves_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    await trio.sleep(1)
    world.store.refusing = True
    with pytest.raises(JournalError):
        await world.sites.order(ORDER)
    world.store.refusing = False
    await trio.sleep(60)
    assert (world.store.kept, world.store.others) == ({}, [])


async def test_a_group_is_withdrawn_as_a_whole(world: World, autojump_clock: MockClock) -> None:
    group = await world.start_group()
    found = await world.sites.cancel(group.id, "not wanted", by="anna")
    assert found is not None
    left, parts = found
    assert (left.cancelling, left.withdrawn_by) == ("not wanted", "anna")
    assert {part.withdrawn_by for part in parts} == {"anna"}
    assert {part.cancelling for part in parts} == {"not wanted"}
    for part in parts:
        await world.report(part, State.CANCELLED)
    await trio.sleep(2)
    assert len(world.store.parts(group.id)) == 4
    with pytest.raises(NotOpen):
        await world.sites.cancel(group.id, "again")
    assert await world.sites.cancel("nobody", "x") is None


async def test_a_withdrawal_stands_if_the_disk_fills_after_it_was_noted(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await world.start_group()

    async def no_room(dispatch_id: str, reason: str, by: str) -> Dispatch:
        raise JournalError("disk full")

    with monkeypatch.context() as full:
        full.setattr(world.desk, "cancel", no_room)
        found = await world.sites.cancel(group.id, "not wanted", by="anna")
        assert found is not None
        assert found[0].cancelling == world.store.groups[group.id].cancelling == "not wanted"
        assert {part.cancelling for part in found[1]} == {None}
    await trio.sleep(1)
    for part in world.store.parts(group.id):
        assert (part.cancelling, part.withdrawn_by) == ("not wanted", "anna")


async def test_a_withdrawal_that_the_journal_refuses_changes_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    world.store.refusing = True
    with pytest.raises(JournalError):
        await world.sites.cancel(group.id, "not wanted")
    world.store.refusing = False
    await trio.sleep(1)
    assert {part.cancelling for part in world.store.parts(group.id)} == {None}


async def test_a_preflight_says_what_an_order_would_do(
    world: World, autojump_clock: MockClock
) -> None:
    world.come("a", "b")
    running = await world.desk.order(AssetOrder("a", 0.25, 60 * S))
    found = world.sites.preflight(AssetOrder("a", 0.5, 600 * S))
    assert (found.online, found.p_mw, found.soc) == (True, 0.0, 0.5)
    assert found.supersedes == (running.id,)
    assert found.follows.then is Afterwards.DEFAULT
    assert not world.sites.preflight(AssetOrder("c", 0.5)).online
    site = await world.sites.preflight_site(SiteOrder("site", 1.0, 600 * S))
    assert [part.order.mw for part in site.parts] == [0.5, 0.5]
    assert site.sentence == (
        "North would hold 1 MW with 2 of its 4 assets, superseding 1 dispatch."
    )
    misfit = await world.sites.preflight_site(SiteOrder("site", 3.0))
    assert misfit.sentence == "North cannot hold 3 MW now: it can hold from -2 to 2 MW."
    await trio.sleep(60)
    assert world.sites.preflight(AssetOrder("a", 0.5)).p_mw is None, "it is stale"

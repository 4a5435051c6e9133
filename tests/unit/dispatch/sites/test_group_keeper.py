"""Groups that are kept at their power while parts fail and agents leave."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import AgentReport, Dispatch, Reported, State, group_state
from derhead.dispatch.sites.group_keeper import MAX_REALLOCATIONS
from derhead.errors import JournalError
from tests.support.dispatch import desk_fakes
from tests.unit.dispatch.sites.site import NAMES
from tests.unit.dispatch.sites.site_world import ORDER, World


async def test_a_rejected_part_is_taken_over(world: World, autojump_clock: MockClock) -> None:
    group = await world.start_group()
    rejecting = world.store.parts(group.id)[3]
    # It had started; it fails.
    await world.report(rejecting, State.FAILED)
    await trio.sleep(1)
    assert world.open(group.id) == pytest.approx(dict.fromkeys("abc", 2 / 3))
    assert len(world.store.parts(group.id)) == 7
    state = group_state(group, world.store.parts(group.id))
    assert (state.parts, state.shortfall_mw) == (4, 0.0)
    await trio.sleep(30)
    assert len(world.store.parts(group.id)) == 7, "it is done once"


async def test_a_part_whose_agent_is_away_too_long_is_taken_over(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    world.leave("d")
    await trio.sleep(9)
    assert len(world.store.parts(group.id)) == 4
    await trio.sleep(2)
    assert world.open(group.id) == pytest.approx(dict.fromkeys("abc", 2 / 3))
    gone = world.store.parts(group.id)[3]
    assert (gone.asset_id, gone.ended) == ("d", False)
    assert gone.cancelling is not None


async def test_an_agent_that_returns_in_time_keeps_its_part(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    part = world.store.parts(group.id)[3]
    for _ in range(5):
        world.leave("d")
        await trio.sleep(5)
        report = Reported(State.STARTED)
        world.online.add("d")
        link = desk_fakes.Link("s-d", ("d",))
        world.desk.session_opened_nowait(link, [AgentReport("d", part.id, report)])
        await trio.sleep(5)
    assert len(world.store.parts(group.id)) == 4


async def test_groups_are_maintained_after_a_restart(
    world: World, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    group = await world.start_group()
    world.sites._keeper._open.clear()
    await nursery.start(world.make_site_desk().run)
    await world.report(world.store.parts(group.id)[0], State.FAILED)
    await trio.sleep(1)
    assert world.open(group.id) == pytest.approx(dict.fromkeys("bcd", 2 / 3))


async def test_a_group_is_maintained_after_its_caller_hung_up(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    await trio.sleep(1)
    world.store.busy_s = 1.0
    with trio.move_on_after(0.5):
        await world.sites.order(ORDER)
    await trio.sleep(3)
    world.store.busy_s = 0.0
    (group,) = world.store.groups.values()
    for part in world.store.parts(group.id):
        await world.report(part, State.REJECTED if part.asset_id == "a" else State.STARTED)
    await trio.sleep(2)
    assert world.open(group.id) == pytest.approx(dict.fromkeys("bcd", 2 / 3))


async def test_a_withdrawal_is_finished_after_a_crash(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    kept = world.sites._keeper._open[group.id]
    kept.group = replace(group, cancelling="not wanted")
    await trio.sleep(1)
    assert {part.cancelling for part in world.store.parts(group.id)} == {"not wanted"}


async def test_reallocations_of_a_group_are_bounded(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    world.sites._keeper._open[group.id].reallocations = MAX_REALLOCATIONS
    await world.report(world.store.parts(group.id)[0], State.FAILED)
    await trio.sleep(5)
    assert len(world.store.parts(group.id)) == 4


async def test_the_keeper_tries_again_while_the_journal_fails(
    world: World, autojump_clock: MockClock
) -> None:
    group = await world.start_group()
    await world.report(world.store.parts(group.id)[0], State.FAILED)
    await trio.sleep(0.01)
    world.store.refusing = True
    await trio.sleep(5)
    assert len(world.store.parts(group.id)) == 4
    world.store.refusing = False
    await trio.sleep(5)
    assert len(world.open(group.id)) == 3


async def test_new_parts_are_ordered_once_the_journal_works(
    world: World, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await world.start_group()
    refused = 0

    async def refuse(*orders: object) -> tuple[Dispatch, ...]:
        nonlocal refused
        refused += 1
        await trio.lowlevel.checkpoint()
        raise JournalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(world.desk, "order_all", refuse)
        await world.report(world.store.parts(group.id)[0], State.FAILED)
        await trio.sleep(5)
        assert refused > 5
        assert len(world.store.parts(group.id)) == 4
    await trio.sleep(1)
    assert len(world.open(group.id)) == 3
    assert group_state(group, world.store.parts(group.id)).shortfall_mw == 0.0

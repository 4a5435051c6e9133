"""Orders to sites, with a real desk, links and a journal in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import (
    AgentReport,
    AssetOrder,
    Dispatch,
    DispatchDesk,
    DispatchGroup,
    DoesNotFit,
    FoundGroup,
    KeyClaim,
    NotOpen,
    Reported,
    SiteDesk,
    SiteOrder,
    State,
    UsedKey,
    group_state,
)
from derhead.dispatch.orders.preflight import Afterwards
from derhead.dispatch.sites.group_keeper import MAX_REALLOCATIONS
from derhead.errors import JournalError
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from derproto.configuration.fleet import Fleet, Site
from tests.support import desk_fakes
from tests.support.epoch import T0, S
from tests.unit.dispatch.site import ASSETS, NAMES

FLEET = Fleet({"site": Site("site", "North")}, ASSETS)
ORDER = SiteOrder("site", 2.0, 600 * S)


@dataclass
class Store(desk_fakes.Store):
    """Groups too."""

    async def open_groups(self) -> Sequence[DispatchGroup]:
        await trio.lowlevel.checkpoint()
        return [
            group
            for group in self.groups.values()
            if any(not part.ended for part in self.parts(group.id))
        ]

    async def group(self, group_id: str) -> FoundGroup | None:
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise JournalError("disk full")
        group = self.groups.get(group_id)
        return None if group is None else (group, self.parts(group_id))

    @property
    def groups(self) -> dict[str, DispatchGroup]:
        return {each.id: each for each in self.others if isinstance(each, DispatchGroup)}

    def parts(self, group_id: str) -> list[Dispatch]:
        return [each for each in self.kept.values() if each.group_id == group_id]

    @property
    def keys(self) -> list[UsedKey]:
        return [each for each in self.others if isinstance(each, UsedKey)]


@dataclass
class World:
    """Four agents, one an asset."""

    store: Store
    desk: DispatchDesk
    sites: SiteDesk
    online: set[str] = field(default_factory=set)
    revision: int = 0

    def holder(self, asset_id: str) -> str | None:
        return f"agent-{asset_id}" if asset_id in self.online else None

    def come(self, *names: str) -> None:
        for name in names:
            self.online.add(name)
            self.desk.session_opened_nowait(desk_fakes.Link(f"s-{name}", (name,)), ())

    def leave(self, name: str) -> None:
        self.online.discard(name)
        self.desk.session_ended_nowait(f"s-{name}")

    async def report(self, part: Dispatch, state: State) -> None:
        self.revision += 1
        reported = Reported(state, revision=self.revision)
        await self.desk.report(part.asset_id, part.id, reported)

    def open(self, group_id: str) -> dict[str, float]:
        """MW of the open parts that are wanted, the newest of each asset."""
        return {
            part.asset_id: part.mw
            for part in self.store.parts(group_id)
            if not part.ended and part.cancelling is None
        }


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    runtime = virtual_runtime(T0)
    store, latest = Store(), LatestTable()
    desk = DispatchDesk(store, runtime)
    await nursery.start(desk.run)
    for name in NAMES:
        latest.offer(Sample(name, "x", 1, 1, T0, T0, p_mw=0.0, soc=0.5))
    online: set[str] = set()

    def holder(asset_id: str) -> str | None:
        return f"agent-{asset_id}" if asset_id in online else None

    sites = SiteDesk(desk, store, FLEET, latest, holder, runtime, telemetry_period_ms=4000)
    await nursery.start(sites.run)
    return World(store, desk, sites, online)


async def started(world: World, order: SiteOrder = ORDER) -> DispatchGroup:
    """The order's group, all of its parts started."""
    found = await world.sites.order(order)
    assert not isinstance(found, DoesNotFit)
    group, parts = found
    for part in parts:
        await world.report(part, State.STARTED)
    return group


async def test_an_order_is_split_and_journaled_with_its_parts(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES[:3])
    found = await world.sites.order(ORDER, KeyClaim("k", "f"))
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


async def test_a_rejected_part_is_taken_over(world: World, autojump_clock: MockClock) -> None:
    world.come(*NAMES)
    group = await started(world)
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
    world.come(*NAMES)
    group = await started(world)
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
    world.come(*NAMES)
    group = await started(world)
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
    world.come(*NAMES)
    group = await started(world)
    runtime = virtual_runtime(T0)
    latest = LatestTable()
    for name in NAMES:
        latest.offer(Sample(name, "x", 1, 1, T0, T0, p_mw=0.0, soc=0.5))
    again = SiteDesk(
        world.desk, world.store, FLEET, latest, world.holder, runtime, telemetry_period_ms=4000
    )
    world.sites._keeper._open.clear()
    await nursery.start(again.run)
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


async def test_a_group_is_withdrawn_as_a_whole(world: World, autojump_clock: MockClock) -> None:
    world.come(*NAMES)
    group = await started(world)
    found = await world.sites.cancel(group.id, "not wanted")
    assert found is not None
    left, parts = found
    assert left.cancelling == "not wanted"
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
    world.come(*NAMES)
    group = await started(world)

    async def no_room(dispatch_id: str, reason: str) -> Dispatch:
        raise JournalError("disk full")

    with monkeypatch.context() as full:
        full.setattr(world.desk, "cancel", no_room)
        found = await world.sites.cancel(group.id, "not wanted")
        assert found is not None
        assert found[0].cancelling == world.store.groups[group.id].cancelling == "not wanted"
        assert {part.cancelling for part in found[1]} == {None}
    await trio.sleep(1)
    assert {part.cancelling for part in world.store.parts(group.id)} == {"not wanted"}


async def test_a_withdrawal_that_the_journal_refuses_changes_nothing(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    group = await started(world)
    world.store.refusing = True
    with pytest.raises(JournalError):
        await world.sites.cancel(group.id, "not wanted")
    world.store.refusing = False
    await trio.sleep(1)
    assert {part.cancelling for part in world.store.parts(group.id)} == {None}


async def test_a_withdrawal_is_finished_after_a_crash(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    group = await started(world)
    kept = world.sites._keeper._open[group.id]
    kept.group = replace(group, cancelling="not wanted")
    await trio.sleep(1)
    assert {part.cancelling for part in world.store.parts(group.id)} == {"not wanted"}


async def test_reallocations_of_a_group_are_bounded(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    group = await started(world)
    world.sites._keeper._open[group.id].reallocations = MAX_REALLOCATIONS
    await world.report(world.store.parts(group.id)[0], State.FAILED)
    await trio.sleep(5)
    assert len(world.store.parts(group.id)) == 4


async def test_the_keeper_tries_again_while_the_journal_fails(
    world: World, autojump_clock: MockClock
) -> None:
    world.come(*NAMES)
    group = await started(world)
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
    world.come(*NAMES)
    group = await started(world)
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


# --- what would become of it ------------------------------------------------------------------


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
    site = world.sites.preflight_site(SiteOrder("site", 1.0, 600 * S))
    assert [part.order.mw for part in site.parts] == [0.5, 0.5]
    assert site.sentence == (
        "North would hold 1 MW with 2 of its 4 assets, superseding 1 dispatch."
    )
    misfit = world.sites.preflight_site(SiteOrder("site", 3.0))
    assert misfit.sentence == "North cannot do it: from -2 to 2 MW is what it can now."
    await trio.sleep(60)
    assert world.sites.preflight(AssetOrder("a", 0.5)).p_mw is None, "it is stale"

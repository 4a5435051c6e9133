"""When the keeper stores hours, reads past ones, and what it does while neither works."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import MockClock

from derhead.errors import JournalError
from derhead.gaps import GapRecord, HoleCause
from derhead.service_levels import HOUR_US, LevelHour, LevelKeeper
from derhead.telemetry import LatestTable, Sample
from derproto.base.runtime import virtual_runtime
from tests.support.epoch import T0, S
from tests.support.history.records import gap

ASSETS = ("asset-1", "asset-2")


@dataclass
class Store:
    """A journal that stores at once."""

    noted: list[LevelHour] = field(default_factory=list)
    gaps_there: list[GapRecord] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    read_gaps: list[str] = field(default_factory=list)
    fails: bool = False
    gaps_fail: bool = False

    def note(self, record: LevelHour) -> None:
        self.noted.append(record)

    async def last_levels(self, asset_ids: Sequence[str], before_us: int) -> Sequence[LevelHour]:
        await trio.lowlevel.checkpoint()
        found = {each.asset_id: each for each in self.noted if each.hour_us < before_us}
        return [found[asset_id] for asset_id in asset_ids if asset_id in found]

    async def hours(self, asset_id: str, from_us: int) -> Sequence[LevelHour]:
        await trio.lowlevel.checkpoint()
        if self.fails:
            raise JournalError("PostgreSQL does not answer")
        self.read.append(asset_id)
        newest = {each.hour_us: each for each in self.noted if each.asset_id == asset_id}
        return [each for each in newest.values() if each.hour_us >= from_us]

    async def gaps(self, asset_id: str, from_us: int) -> Sequence[GapRecord]:
        await trio.lowlevel.checkpoint()
        if self.gaps_fail:
            raise JournalError("PostgreSQL does not answer")
        self.read_gaps.append(asset_id)
        return [each for each in self.gaps_there if each.asset_id == asset_id]


@dataclass
class Kept:
    """A keeper at work; its first asset sends a sample every 4 s."""

    store: Store
    latest: LatestTable
    keeper: LevelKeeper
    wall_us: Callable[[], int]
    nursery: trio.Nursery

    async def send(self) -> None:
        seq = 0
        while True:
            seq += 1
            now_us = self.wall_us()
            slot = self.latest.slot(ASSETS[0])
            if slot.freshness is not None and now_us > slot.fresh_until_us:
                slot.freshness.before_sample(now_us)
            self.latest.offer(Sample(ASSETS[0], "x", 1, seq, now_us, now_us))
            await trio.sleep(4)


async def at_work(began_us: int, act: Callable[[Kept], Awaitable[None]]) -> Store:
    """Runs a keeper while ``act`` runs; returns what it stored."""
    runtime, store, latest = virtual_runtime(began_us), Store(), LatestTable()
    keeper = LevelKeeper(ASSETS, latest, store, store, runtime)
    await keeper.load()
    async with trio.open_nursery() as nursery:
        kept = Kept(store, latest, keeper, runtime.wall_us, nursery)
        nursery.start_soon(keeper.run)
        nursery.start_soon(kept.send)
        await act(kept)
        nursery.cancel_scope.cancel()
    return store


async def test_an_hour_is_stored_every_minute_and_soon_after_a_reconnect(
    autojump_clock: MockClock,
) -> None:
    async def act(kept: Kept) -> None:
        await trio.sleep(305)
        assert 4 <= len(kept.store.noted) <= 6
        kept.store.noted.clear()
        kept.keeper.session_began("first", ASSETS)
        kept.keeper.session_began("second", ASSETS)
        await trio.sleep(10)
        assert [each.reconnects for each in kept.store.noted] == [1]
        kept.store.noted.clear()

    store = await at_work(T0, act)
    # The end stores it once more; an asset without a sample has nothing to store.
    assert [(each.asset_id, each.seen_us) for each in store.noted] == [(ASSETS[0], 315 * S)]


async def test_an_hour_that_ends_is_stored_and_the_next_reads_the_past_again(
    autojump_clock: MockClock,
) -> None:
    async def act(kept: Kept) -> None:
        await trio.sleep(30)
        assert kept.store.read == [*ASSETS]
        await trio.sleep(30)
        assert kept.store.read == [*ASSETS, *ASSETS]
        assert kept.keeper.sums(ASSETS[0]).counted_us == 60 * S

    store = await at_work(T0 + HOUR_US - 40 * S, act)
    ended = [each for each in store.noted if each.hour_us == T0]
    assert (ended[-1].until_us, ended[-1].seen_us) == (T0 + HOUR_US, 40 * S)


async def test_a_changed_gap_is_read_within_seconds(autojump_clock: MockClock) -> None:
    async def act(kept: Kept) -> None:
        await trio.sleep(5)
        kept.store.read.clear()
        kept.store.read_gaps.clear()
        kept.store.gaps_there = [gap(start_us=T0, end_us=T0 + 30 * S, cause=HoleCause.LINK)]
        kept.keeper.gaps_changed(ASSETS[0])
        await trio.sleep(2)
        assert (kept.store.read, kept.store.read_gaps) == ([], [ASSETS[0]])
        ((cause, count),) = kept.keeper.gaps(ASSETS[0]).counts(kept.wall_us())
        assert (cause, count.gaps, count.missing_us) == (HoleCause.LINK, 1, 30 * S)

    await at_work(T0, act)


async def test_a_past_that_cannot_be_read_is_told_once_and_tried_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(kept: Kept) -> None:
        kept.store.fails = True
        await trio.sleep(100)
        assert kept.keeper.sums(ASSETS[0]).telemetry == 1.0
        kept.store.fails = False
        await trio.sleep(35)
        assert kept.store.read == [*ASSETS]

    await at_work(T0, act)
    assert caplog.text.count("service levels lack their past for now") == 1


async def test_stored_hours_count_while_the_gaps_cannot_be_read(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(kept: Kept) -> None:
        kept.store.gaps_fail = True
        await trio.sleep(40)
        assert kept.store.read == [*ASSETS]
        kept.store.gaps_fail = False
        await trio.sleep(35)
        assert sorted(kept.store.read_gaps) == sorted(ASSETS)

    await at_work(T0, act)
    assert caplog.text.count("service levels lack their past for now") == 1


async def test_an_asset_that_leaves_is_stored_and_forgotten(autojump_clock: MockClock) -> None:
    async def act(kept: Kept) -> None:
        await trio.sleep(5)
        kept.keeper.drop(ASSETS[0])
        assert kept.store.noted[-1].seen_us == 5 * S
        assert kept.latest.slot(ASSETS[0]).freshness is None
        assert kept.keeper.sums(ASSETS[0]).assets == 0
        kept.keeper.session_began("s", ASSETS)
        kept.keeper.session_ended("s", ASSETS)

    store = await at_work(T0, act)
    assert len(store.noted) == 1

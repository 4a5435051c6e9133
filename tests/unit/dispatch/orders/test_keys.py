"""The keeper of idempotency keys: keys are kept apart, for a day, and bounded."""

from dataclasses import dataclass

import pytest
import trio
from trio.testing import MockClock

from derhead.dispatch import AssetOrder, Dispatch, DispatchDesk
from derhead.dispatch.desk.inputs import OrderRecord
from derhead.dispatch.orders.idempotency import KEPT_US, ForgetKeys, UsedKey
from derhead.dispatch.orders.keys import FORGOTTEN_AT_ONCE, InFlight, KeyKeeper, TooManyKeys
from derhead.errors import JournalError
from derproto.base.runtime import virtual_runtime
from tests.support.api.fake_headend import FakeKeys
from tests.support.dispatch import desk_fakes
from tests.support.epoch import T0


@dataclass
class Store(FakeKeys):
    """Deletes as asked, or refuses."""

    refusing: bool = False

    def put(self, key: str, at_us: int = T0) -> UsedKey:
        self.used[key] = UsedKey(key, "f", "dispatch", "d", at_us)
        return self.used[key]

    async def write(self, *records: ForgetKeys) -> None:
        await trio.lowlevel.checkpoint()
        if self.refusing:
            raise JournalError("disk full")
        for record in records:
            old = [key for key, used in self.used.items() if used.created_us < record.before_us]
            for key in old[: record.at_most]:
                del self.used[key]


@pytest.fixture
async def keeper(store: Store) -> KeyKeeper:
    return KeyKeeper(store, trio.lowlevel.checkpoint, virtual_runtime(T0))


@pytest.fixture
def store() -> Store:
    return Store()


async def test_a_key_is_found_for_a_day(
    keeper: KeyKeeper, store: Store, autojump_clock: MockClock
) -> None:
    assert await keeper.find("k") is None
    used = store.put("k")
    await trio.sleep(KEPT_US / 1e6 - 1)
    assert await keeper.find("k") == used
    await trio.sleep(2)
    assert await keeper.find("k") is None


async def test_two_orders_of_one_key_do_not_run_together(keeper: KeyKeeper) -> None:
    with keeper.claim("k"), keeper.claim("other"):
        with pytest.raises(InFlight), keeper.claim("k"):
            pass
        with pytest.raises(InFlight), keeper.claim("k"):
            pass
    with keeper.claim("k"):
        pass


class Journal(desk_fakes.Store):
    """The desk's store, that is also asked for keys."""

    async def used_key(self, key: str) -> UsedKey | None:
        await trio.lowlevel.checkpoint()
        kept = [each for each in self.others if isinstance(each, UsedKey) and each.key == key]
        return kept[-1] if kept else None

    async def count_keys(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self.others)

    async def write(self, *records: Dispatch | OrderRecord | ForgetKeys) -> None:
        await super().write(*(each for each in records if not isinstance(each, ForgetKeys)))


async def test_an_order_whose_caller_hung_up_is_found_once_it_is_written(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    journal, runtime = Journal(), virtual_runtime(T0)
    desk = DispatchDesk(journal, runtime)
    await nursery.start(desk.run)
    keeper = KeyKeeper(journal, desk.flush, runtime)
    journal.busy_s = 2.0
    used = UsedKey("k", "f", "dispatch", "d", T0)
    with trio.move_on_after(1), keeper.claim("k"):
        assert await keeper.find("k") is None
        await desk.order_all([("d", AssetOrder("a", 1.0))], used)
    assert journal.others == []
    with keeper.claim("k"):
        assert await keeper.find("k") == used
    assert list(journal.kept) == ["d"]


async def test_old_keys_are_deleted(
    keeper: KeyKeeper, store: Store, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    for n in range(2 * FORGOTTEN_AT_ONCE + 5):
        store.put(f"old{n}", T0 - KEPT_US)
    store.put("young")
    await nursery.start(keeper.run)
    store.refusing = True
    await trio.sleep(120)
    assert len(store.used) == 2 * FORGOTTEN_AT_ONCE + 6
    store.refusing = False
    await trio.sleep(60)
    assert list(store.used) == ["young"]


async def test_keys_are_bounded(
    keeper: KeyKeeper,
    store: Store,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("derhead.dispatch.orders.keys.MAX_KEYS", 3)
    store.put("a", T0 - KEPT_US + 1)
    store.put("b")
    await nursery.start(keeper.run)
    assert await keeper.find("c") is None
    store.put("c")
    keeper.count_one()
    with pytest.raises(TooManyKeys):
        await keeper.find("d")
    assert await keeper.find("c") is not None
    await trio.sleep(61)
    assert await keeper.find("d") is None

"""The desk against a store in memory: order, push, reconcile, refuse."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from derhead.dispatch import Dispatch, DispatchDesk, Order, Reported, State
from derhead.dispatch.desk import INBOX_EVENTS, ORDER_TIMEOUT_S, PENDING_TTL_US
from derhead.errors import JournalError
from derproto.base.runtime import virtual_runtime

T0 = 1_800_000_000_000_000


@dataclass
class Store:
    """Keeps dispatches in a dict, and refuses when told to."""

    kept: dict[str, Dispatch] = field(default_factory=dict)
    refusing: bool = False
    writes: int = 0
    busy_s: float = 0.0

    async def write(self, *records: Dispatch) -> None:
        await trio.sleep(self.busy_s)
        if self.refusing:
            raise JournalError("disk full")
        self.writes += 1
        self.kept.update({record.id: record for record in records})

    async def open_dispatches(self) -> Sequence[Dispatch]:
        await trio.lowlevel.checkpoint()
        return [dispatch for dispatch in self.kept.values() if not dispatch.ended]


@dataclass
class Link:
    """A session that notes what it is told to send."""

    session_id: str
    granted: tuple[str, ...] = ("a",)
    sent: list[str] = field(default_factory=list)
    store: Store | None = None
    room: int = 1000

    asked: bool = False

    @property
    def setpoint_room(self) -> int:
        return self.room - len(self.sent)

    def ask_for_room_nowait(self) -> None:
        self.asked = True

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        if self.store is not None:
            # Effects come second: the journal has it by now.
            assert self.store.kept[dispatch_id].state is State.SENT
        self.sent.append(dispatch_id)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def desk(store: Store, nursery: trio.Nursery) -> DispatchDesk:
    desk = DispatchDesk(store, virtual_runtime(T0))
    await nursery.start(desk.run)
    return desk


async def test_an_order_for_an_offline_asset_waits(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    dispatch = await desk.order(Order("a", 1.0))
    assert dispatch.state is State.PENDING
    assert store.kept[dispatch.id] == dispatch
    link = Link("s1", store=store)
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == [dispatch.id]
    assert store.kept[dispatch.id].state is State.SENT
    assert store.kept[dispatch.id].session_id == "s1"


async def test_an_order_for_an_online_asset_is_sent_at_once(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link("s1", store=store)
    desk.session_opened_nowait(link, ())
    dispatch = await desk.order(Order("a", -2.0, duration_us=60_000_000))
    assert dispatch.state is State.SENT
    assert [change.state for change in dispatch.states] == [State.PENDING, State.SENT]
    assert link.sent == [dispatch.id]


async def test_lost_in_sent_goes_to_the_next_session_under_its_id(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = Link("s1"), Link("s2")
    desk.session_opened_nowait(first, ())
    dispatch = await desk.order(Order("a", 1.0))
    desk.session_ended_nowait("s1")
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.PENDING
    desk.session_opened_nowait(second, ())
    await wait_all_tasks_blocked()
    assert second.sent == [dispatch.id]
    assert store.kept[dispatch.id].attempts == 2


async def test_a_newer_session_takes_over_before_the_older_ends(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = Link("s1"), Link("s2")
    desk.session_opened_nowait(first, ())
    dispatch = await desk.order(Order("a", 1.0))
    desk.session_opened_nowait(second, ())
    desk.session_ended_nowait("s1")
    await wait_all_tasks_blocked()
    assert second.sent == [dispatch.id]
    assert store.kept[dispatch.id].session_id == "s2"
    again = await desk.order(Order("a", 2.0))
    assert second.sent == [dispatch.id, again.id]
    assert first.sent == [dispatch.id]


async def test_what_the_agent_did_offline_is_believed(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(Order("a", 1.0))
    desk.session_ended_nowait("s1")
    second = Link("s2")
    reported = Reported(State.STARTED, applied_mw=1.0)
    desk.session_opened_nowait(second, [(dispatch.id, reported)])
    await wait_all_tasks_blocked()
    assert second.sent == []
    assert store.kept[dispatch.id].state is State.STARTED
    in_force = desk.in_force("a")
    assert in_force is not None
    assert in_force.id == dispatch.id


async def test_what_the_agent_forgot_has_failed(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(Order("a", 1.0))
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    desk.session_ended_nowait("s1")
    desk.session_opened_nowait(Link("s2"), ())
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.FAILED
    assert store.kept[dispatch.id].reason == "NO_REPORT"
    assert desk.statistics().open == 0


async def test_reports_end_a_dispatch_and_later_ones_change_nothing(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(Order("a", 1.0))
    for state in (State.RECEIVED, State.STARTED, State.COMPLETED, State.FAILED):
        await desk.report("a", dispatch.id, Reported(state))
    await desk.report("b", dispatch.id, Reported(State.STARTED))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.COMPLETED
    assert desk.get(dispatch.id) is None
    assert desk.in_force("a") is None
    assert desk.statistics().late_reports == 2


async def test_a_report_by_another_assets_agent_is_not_believed(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    dispatch = await desk.order(Order("a", 1.0))
    await desk.report("b", dispatch.id, Reported(State.COMPLETED))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.PENDING


async def test_nobody_came_for_it(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    short = await desk.order(Order("a", 1.0, duration_us=60_000_000))
    endless = await desk.order(Order("a", 1.0))
    await trio.sleep(60.1)
    assert store.kept[short.id].state is State.EXPIRED
    assert store.kept[endless.id].state is State.PENDING
    await trio.sleep(PENDING_TTL_US / 1e6)
    assert store.kept[endless.id].state is State.EXPIRED
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == []


async def test_at_the_start_what_was_sent_is_pending(
    store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    runtime = virtual_runtime(T0)
    async with trio.open_nursery() as before:
        first = DispatchDesk(store, runtime)
        await before.start(first.run)
        first.session_opened_nowait(Link("s1"), ())
        dispatch = await first.order(Order("a", 1.0))
        before.cancel_scope.cancel()
    assert store.kept[dispatch.id].state is State.SENT
    second = DispatchDesk(store, runtime)
    await nursery.start(second.run)
    assert store.kept[dispatch.id].state is State.PENDING
    link = Link("s2")
    second.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == [dispatch.id]


async def test_an_order_that_the_journal_refuses_never_was(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    store.refusing = True
    with pytest.raises(JournalError, match="disk full"):
        await desk.order(Order("a", 1.0))
    store.refusing = False
    await trio.sleep(10)
    assert link.sent == []
    assert store.kept == {}
    assert desk.statistics().open == 0


async def test_reports_outlive_a_full_disk_and_orders_meanwhile_time_out(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(Order("a", 1.0))
    store.refusing = True
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    await trio.sleep(0.5)
    started = trio.current_time()
    with pytest.raises(JournalError):
        await desk.order(Order("a", 2.0))
    assert trio.current_time() - started == pytest.approx(ORDER_TIMEOUT_S)
    store.refusing = False
    await trio.sleep(2)
    assert store.kept[dispatch.id].state is State.STARTED
    assert list(store.kept) == [dispatch.id]


async def test_when_full_reporters_wait_and_sessions_do_not(
    store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    desk = DispatchDesk(store, virtual_runtime(T0))
    for _ in range(INBOX_EVENTS):
        await desk.report("a", "unknown", Reported(State.STARTED))
    with trio.move_on_after(5) as waiting:
        await desk.report("a", "unknown", Reported(State.STARTED))
    assert waiting.cancelled_caught
    desk.session_opened_nowait(Link("s1"), ())
    await nursery.start(desk.run)
    await wait_all_tasks_blocked()
    assert desk.statistics().late_reports == INBOX_EVENTS


async def test_waiting_changes_share_a_commit(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    async with trio.open_nursery() as callers:
        for _ in range(20):
            callers.start_soon(desk.order, Order("a", 1.0))
    assert len(store.kept) == 20
    assert store.writes <= 2


async def test_what_a_session_has_no_room_for_stays_pending_until_it_has(
    desk: DispatchDesk, store: Store
) -> None:
    orders = [await desk.order(Order("a", 1.0)) for _ in range(70)]
    link = Link("s1", room=64)
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == [dispatch.id for dispatch in orders[:64]]
    assert store.kept[orders[-1].id].state is State.PENDING
    assert link.asked
    link.room = 200
    desk.session_has_room_nowait(link)
    await wait_all_tasks_blocked()
    assert link.sent == [dispatch.id for dispatch in orders]
    assert {dispatch.state for dispatch in store.kept.values()} == {State.SENT}


async def order_while_busy(desk: DispatchDesk, store: Store, nursery: trio.Nursery) -> None:
    """An order, and whatever is said right after it, come in one batch."""
    store.busy_s = 1.0
    nursery.start_soon(desk.report, "a", "nobody", Reported(State.STARTED))
    nursery.start_soon(desk.order, Order("b", 1.0))
    await wait_all_tasks_blocked()
    nursery.start_soon(desk.order, Order("a", 1.0))
    await wait_all_tasks_blocked()


async def test_an_order_and_its_session_in_one_batch(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    await order_while_busy(desk, store, nursery)
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await trio.sleep(10)
    (dispatch,) = [dispatch for dispatch in store.kept.values() if dispatch.asset_id == "a"]
    assert dispatch.state is State.SENT
    assert link.sent == [dispatch.id]


async def test_an_order_and_its_sessions_end_in_one_batch(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    await wait_all_tasks_blocked()
    await order_while_busy(desk, store, nursery)
    desk.session_ended_nowait("s1")
    await trio.sleep(10)
    (dispatch,) = [dispatch for dispatch in store.kept.values() if dispatch.asset_id == "a"]
    assert dispatch.state is State.PENDING


async def test_a_caller_that_hangs_up_before_the_desk_began_has_not_ordered(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    await order_while_busy(desk, store, nursery)
    with trio.move_on_after(0.1):
        await desk.order(Order("c", 1.0))
    await trio.sleep(10)
    assert {dispatch.asset_id for dispatch in store.kept.values()} == {"a", "b"}


async def test_nothing_is_in_force_past_its_window(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(Order("a", 1.0, duration_us=2_000_000))
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    await wait_all_tasks_blocked()
    assert desk.in_force("a") is not None
    desk.session_ended_nowait("s1")
    await trio.sleep(2.1)
    assert desk.in_force("a") is None

"""Inputs that share a batch, a full inbox, and a journal that refuses."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AgentReport, AssetOrder, DispatchDesk, Reported, State
from derhead.dispatch.desk.dispatch_desk import ASK_TIMEOUT_S
from derhead.dispatch.desk.draft import MISFITS_TOLD
from derhead.dispatch.desk.inbox import BATCH_EVENTS, INBOX_EVENTS, Inbox
from derhead.dispatch.desk.inputs import SessionOpened
from derhead.dispatch.desk.intake import MAX_OPEN
from derhead.errors import JournalError
from derproto.base.runtime import virtual_runtime
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import T0, S

REGISTER_REPORTS = 8_192
"""Reports of held dispatches that an agent sends at most in one Register."""


async def test_an_order_that_the_journal_refuses_does_not_exist(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    store.refusing = True
    with pytest.raises(JournalError, match="disk full"):
        await desk.order(AssetOrder("a", 1.0))
    store.refusing = False
    await trio.sleep(10)
    assert link.sent == []
    assert store.kept == {}
    assert not desk.of_asset("a")


async def test_reports_outlive_a_full_disk_and_orders_meanwhile_time_out(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    store.refusing = True
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    await trio.sleep(0.5)
    started = trio.current_time()
    with pytest.raises(JournalError):
        await desk.order(AssetOrder("a", 2.0))
    assert trio.current_time() - started == pytest.approx(ASK_TIMEOUT_S)
    store.refusing = False
    await trio.sleep(2)
    assert store.kept[dispatch.id].state is State.STARTED
    assert list(store.kept) == [dispatch.id]


async def test_a_full_inbox_lets_reporters_wait_and_no_session(
    store: Store, nursery: trio.Nursery, autojump_clock: MockClock
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
    assert desk.report_nowait("a", "unknown", Reported(State.STARTED))


async def test_a_register_full_of_unfit_reports_is_one_log_line(
    mock_clock: MockClock, desk: DispatchDesk, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assets = tuple(f"asset-{number}" for number in range(REGISTER_REPORTS // MAX_OPEN))
    orders = [
        (f"{asset_id}/{number}", AssetOrder(asset_id, 1.0, S, start_us=T0 + number * S))
        for asset_id in assets
        for number in range(1, MAX_OPEN + 1)
    ]
    await desk.order_all(orders)

    def reports(state: State) -> list[AgentReport]:
        return [AgentReport(order.asset_id, name, Reported(state)) for name, order in orders]

    desk.session_opened_nowait(Link("s1", assets), reports(State.STARTED))
    await wait_all_tasks_blocked()
    # No device refuses an order that it has started.
    desk.session_opened_nowait(Link("s2", assets), reports(State.REJECTED))
    await wait_all_tasks_blocked()
    assert {dispatch.state for dispatch in store.kept.values()} == {State.STARTED}
    (line,) = [line for line in caplog.text.splitlines() if "level=warning" in line]
    assert 'event="reports that do not fit their dispatches change nothing" reports=8192' in line
    assert line.count("started cannot become rejected by Reported") == MISFITS_TOLD
    assert '; and others" logger=' in line


def test_registers_full_of_reports_are_not_decided_together() -> None:
    inbox = Inbox()
    reports = tuple(AgentReport("a", str(n), Reported(State.STARTED)) for n in range(1, 8_193))
    for name in ("s1", "s2", "s3"):
        inbox.put_nowait(SessionOpened(Link(name), reports))
    for name in ("s4", "s5", "s6"):
        inbox.put_nowait(SessionOpened(Link(name), reports[: BATCH_EVENTS // 2]))
    assert [len(inbox.take_nowait()) for _ in range(5)] == [1, 1, 1, 2, 1]
    assert inbox.take_nowait() == []


async def test_waiting_changes_share_a_commit(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    async with trio.open_nursery() as callers:
        for _ in range(20):
            callers.start_soon(desk.order, AssetOrder("a", 1.0))
    assert len(store.kept) == 20
    assert store.writes <= 2


async def order_while_busy(desk: DispatchDesk, store: Store, nursery: trio.Nursery) -> None:
    """An order, and whatever is said right after it, come in one batch."""
    store.busy_s = 1.0
    nursery.start_soon(desk.report, "a", "nobody", Reported(State.STARTED))
    nursery.start_soon(desk.order, AssetOrder("b", 1.0))
    await wait_all_tasks_blocked()
    nursery.start_soon(desk.order, AssetOrder("a", 1.0))
    await wait_all_tasks_blocked()


async def test_an_order_and_its_session_in_one_batch(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await order_while_busy(desk, store, nursery)
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await trio.sleep(10)
    (dispatch,) = [dispatch for dispatch in store.kept.values() if dispatch.asset_id == "a"]
    assert dispatch.state is State.SENT
    assert link.sent == [dispatch.id]


async def test_an_order_and_its_sessions_end_in_one_batch(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    await wait_all_tasks_blocked()
    await order_while_busy(desk, store, nursery)
    desk.session_ended_nowait("s1")
    await trio.sleep(10)
    (dispatch,) = [dispatch for dispatch in store.kept.values() if dispatch.asset_id == "a"]
    assert dispatch.state is State.PENDING


async def test_a_caller_that_hangs_up_early_has_ordered_nothing(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await order_while_busy(desk, store, nursery)
    with trio.move_on_after(0.1):
        await desk.order(AssetOrder("c", 1.0))
    await trio.sleep(10)
    assert {dispatch.asset_id for dispatch in store.kept.values()} == {"a", "b"}


async def test_a_withdrawal_that_the_journal_refuses_does_not_exist(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    store.refusing = True
    with pytest.raises(JournalError, match="disk full"):
        await desk.cancel(dispatch.id, "not wanted")
    store.refusing = False
    await trio.sleep(10)
    assert desk.get(dispatch.id) == dispatch


async def test_a_deadline_outlives_a_full_disk(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0, 10 * S))
    store.refusing = True
    await trio.sleep(60)
    assert desk.get(dispatch.id) == dispatch
    store.refusing = False
    await trio.sleep(2)
    assert store.kept[dispatch.id].state is State.EXPIRED

"""The desk with a store in memory: orders, reports, withdrawals and reconciliation."""

import logging

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from derhead.dispatch import (
    AgentReport,
    AssetOrder,
    DispatchDesk,
    NotOpen,
    Reported,
    State,
    TooManyOpen,
    UsedKey,
)
from derhead.dispatch.desk.dispatch_desk import ASK_TIMEOUT_S
from derhead.dispatch.desk.draft import MISFITS_TOLD
from derhead.dispatch.desk.inbox import BATCH_EVENTS, INBOX_EVENTS, Inbox
from derhead.dispatch.desk.inputs import SessionOpened
from derhead.dispatch.desk.intake import MAX_OPEN
from derhead.dispatch.orders.order import PENDING_TTL_US
from derhead.errors import JournalError
from derproto.base.runtime import virtual_runtime
from tests.support.desk_fakes import Link, Store
from tests.support.epoch import DAY_US, T0, S

REGISTER_REPORTS = 8_192
"""Reports of held dispatches that an agent sends at most in one Register."""


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
    dispatch = await desk.order(AssetOrder("a", 1.0))
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
    dispatch = await desk.order(AssetOrder("a", -2.0, duration_us=60_000_000))
    assert dispatch.state is State.SENT
    assert [change.state for change in dispatch.states] == [State.PENDING, State.SENT]
    assert link.sent == [dispatch.id]


async def test_the_time_of_sending_is_journaled_with_the_next_change(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await trio.sleep(0.002)
    desk.setpoint_written_nowait(dispatch.id)
    desk.setpoint_written_nowait("of-nobody")
    assert store.kept[dispatch.id] == dispatch
    await trio.sleep(0.003)
    await desk.report("a", dispatch.id, Reported(State.RECEIVED))
    await wait_all_tasks_blocked()
    assert store.writes == 2
    times_us = [change.at_us - dispatch.created_us for change in store.kept[dispatch.id].states]
    assert times_us == [0, 2000, 5000]


async def test_a_dispatch_lost_in_sent_goes_to_the_next_session(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = Link("s1"), Link("s2")
    desk.session_opened_nowait(first, ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
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
    dispatch = await desk.order(AssetOrder("a", 1.0))
    desk.session_opened_nowait(second, ())
    desk.session_ended_nowait("s1")
    await wait_all_tasks_blocked()
    assert second.sent == [dispatch.id]
    assert store.kept[dispatch.id].session_id == "s2"
    again = await desk.order(AssetOrder("a", 2.0))
    assert second.sent == [dispatch.id, again.id]
    assert first.sent == [dispatch.id]


async def test_reports_from_an_offline_agent_count(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    desk.session_ended_nowait("s1")
    second = Link("s2")
    reported = Reported(State.STARTED, applied_mw=1.0)
    desk.session_opened_nowait(second, [AgentReport("a", dispatch.id, reported)])
    await wait_all_tasks_blocked()
    assert second.sent == []
    assert store.kept[dispatch.id].state is State.STARTED
    in_force = desk.in_force("a")
    assert in_force is not None
    assert in_force.id == dispatch.id


async def test_a_dispatch_that_the_agent_forgot_has_failed(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
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
    dispatch = await desk.order(AssetOrder("a", 1.0))
    for state in (State.RECEIVED, State.STARTED, State.COMPLETED, State.FAILED):
        await desk.report("a", dispatch.id, Reported(state))
    await desk.report("b", dispatch.id, Reported(State.STARTED))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.COMPLETED
    assert desk.get(dispatch.id) is None
    assert desk.in_force("a") is None
    assert desk.statistics().late_reports == 2


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED])
async def test_the_log_tells_why_an_agent_or_its_device_refused(
    state: State,
    desk: DispatchDesk,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("a", dispatch.id, Reported(state, "HARDWARE_ERROR", "no answer"))
    await wait_all_tasks_blocked()
    assert caplog.messages == [f"dispatch {dispatch.id} of a {state}: HARDWARE_ERROR: no answer"]


async def test_a_report_by_another_assets_agent_does_not_count(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("b", dispatch.id, Reported(State.COMPLETED))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.PENDING


async def test_a_dispatch_that_no_agent_takes_expires(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    short = await desk.order(AssetOrder("a", 1.0, duration_us=60_000_000))
    endless = await desk.order(AssetOrder("a", 1.0))
    await trio.sleep(60.1)
    assert store.kept[short.id].state is State.EXPIRED
    assert store.kept[endless.id].state is State.PENDING
    await trio.sleep(PENDING_TTL_US / 1e6)
    assert store.kept[endless.id].state is State.EXPIRED
    link = Link("s1")
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == []


async def test_a_sent_dispatch_is_pending_after_a_restart(
    store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    runtime = virtual_runtime(T0)
    async with trio.open_nursery() as before:
        first = DispatchDesk(store, runtime)
        await before.start(first.run)
        first.session_opened_nowait(Link("s1"), ())
        dispatch = await first.order(AssetOrder("a", 1.0))
        before.cancel_scope.cancel()
    assert store.kept[dispatch.id].state is State.SENT
    second = DispatchDesk(store, runtime)
    await nursery.start(second.run)
    assert store.kept[dispatch.id].state is State.PENDING
    link = Link("s2")
    second.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert link.sent == [dispatch.id]


async def test_an_order_that_the_journal_refuses_does_not_exist(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
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
    assert desk.statistics().open == 0


async def test_reports_outlive_a_full_disk_and_orders_meanwhile_time_out(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
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


async def test_a_register_full_of_unfit_reports_is_one_log_line(
    desk: DispatchDesk, store: Store, caplog: pytest.LogCaptureFixture
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
    assert desk.statistics().illegal_reports == REGISTER_REPORTS
    assert {dispatch.state for dispatch in store.kept.values()} == {State.STARTED}
    (line,) = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("8192 reports that do not fit their dispatches change nothing: ")
    assert line.count("started cannot become rejected by Reported") == MISFITS_TOLD
    assert line.endswith("; and others")


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
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    async with trio.open_nursery() as callers:
        for _ in range(20):
            callers.start_soon(desk.order, AssetOrder("a", 1.0))
    assert len(store.kept) == 20
    assert store.writes <= 2


async def test_a_dispatch_stays_pending_until_its_session_has_room(
    desk: DispatchDesk, store: Store
) -> None:
    orders = [await desk.order(AssetOrder("a", 1.0, S, start_us=T0 + n * S)) for n in range(1, 71)]
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
    nursery.start_soon(desk.order, AssetOrder("b", 1.0))
    await wait_all_tasks_blocked()
    nursery.start_soon(desk.order, AssetOrder("a", 1.0))
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


async def test_a_caller_that_hangs_up_early_has_ordered_nothing(
    desk: DispatchDesk, store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    await order_while_busy(desk, store, nursery)
    with trio.move_on_after(0.1):
        await desk.order(AssetOrder("c", 1.0))
    await trio.sleep(10)
    assert {dispatch.asset_id for dispatch in store.kept.values()} == {"a", "b"}


async def test_nothing_is_in_force_past_its_window(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0, duration_us=2_000_000))
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    await wait_all_tasks_blocked()
    assert desk.in_force("a") is not None
    desk.session_ended_nowait("s1")
    await trio.sleep(2.1)
    assert desk.in_force("a") is None


# --- starts, windows, ends ----------------------------------------------------------------


async def test_an_order_for_later_is_sent_ahead(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    link = Link("s1", store=store)
    desk.session_opened_nowait(link, ())
    later = await desk.order(AssetOrder("a", 1.0, 60 * S, start_us=T0 + 3600 * S))
    assert (later.state, later.start_us, later.window.end_us) == (
        State.SENT,
        T0 + 3600 * S,
        T0 + 3660 * S,
    )
    assert later.expires_us == later.window.end_us


async def test_the_wait_for_an_agent_counts_from_the_start(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    now = await desk.order(AssetOrder("a", 1.0, expires_in_us=10 * S))
    later = await desk.order(AssetOrder("b", 1.0, start_us=T0 + 60 * S, expires_in_us=10 * S))
    short = await desk.order(AssetOrder("c", 1.0, 5 * S, expires_in_us=10 * S))
    assert [each.expires_us for each in (now, later, short)] == [
        T0 + 10 * S,
        T0 + 70 * S,
        T0 + 5 * S,
    ]
    await trio.sleep(65)
    states = [store.kept[each.id].state for each in (now, later, short)]
    assert states == [State.EXPIRED, State.PENDING, State.EXPIRED]
    await trio.sleep(6)
    assert store.kept[later.id].state is State.EXPIRED


async def test_an_order_whose_window_is_over_has_expired(desk: DispatchDesk) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0, 2 * S, start_us=T0 - 3 * S))
    assert dispatch.state is State.EXPIRED


async def test_a_sent_dispatch_outlives_its_time_to_wait(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0, 60 * S, expires_in_us=10 * S))
    desk.session_ended_nowait("s1")
    await trio.sleep(3600)
    assert store.kept[dispatch.id].state is State.PENDING
    link = Link("s2")
    desk.session_opened_nowait(link, ())
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.EXPIRED
    assert link.sent == []


async def test_the_desk_waits_a_day_for_an_absent_agent(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1", granted=("a", "b")), ())
    lost = await desk.order(AssetOrder("a", 1.0, 60 * S))
    started = await desk.order(AssetOrder("b", 1.0, 60 * S))
    await desk.report("b", started.id, Reported(State.STARTED))
    desk.session_ended_nowait("s1")
    await trio.sleep(60 + DAY_US / S - 1)
    assert [store.kept[each.id].ended for each in (lost, started)] == [False, False]
    await trio.sleep(2)
    for each in (lost, started):
        assert (store.kept[each.id].state, store.kept[each.id].reason) == (
            State.FAILED,
            "NO_REPORT",
        )
    assert desk.statistics().open == 0


async def test_nothing_is_in_force_while_it_is_suspended(desk: DispatchDesk) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("a", dispatch.id, Reported(State.STARTED, revision=2))
    await wait_all_tasks_blocked()
    assert desk.setpoints_mw == {"a": 1.0}
    suspended = Reported(State.STARTED, suspended="LINK_SILENT", revision=3)
    await desk.report("a", dispatch.id, suspended)
    await wait_all_tasks_blocked()
    assert desk.in_force("a") is None
    assert desk.setpoints_mw == {}


async def test_nothing_is_in_force_after_its_window_without_a_report(
    desk: DispatchDesk, autojump_clock: trio.testing.MockClock
) -> None:
    began_s = trio.current_time()
    desk.session_opened_nowait(Link("s1", ("a", "b")), ())
    for asset_id, window_us in (("a", 60 * S), ("b", 90 * S)):
        dispatch = await desk.order(AssetOrder(asset_id, 1.0, window_us))
        await desk.report(asset_id, dispatch.id, Reported(State.STARTED))
    longer = await desk.order(AssetOrder("b", 2.0, 100 * S))
    await desk.report("b", longer.id, Reported(State.STARTED))
    for at_s, in_force in ((59.9, {"a": 1.0, "b": 2.0}), (60.1, {"b": 2.0}), (100.1, {})):
        await trio.sleep_until(began_s + at_s)
        assert desk.setpoints_mw == in_force
    assert desk.statistics().open == 3


async def test_open_dispatches_of_an_asset_are_bounded(desk: DispatchDesk, store: Store) -> None:
    used = UsedKey("k", "f", "dispatch", "x", T0)
    many = [AssetOrder("a", 1.0, S, start_us=T0 + n * S) for n in range(1, MAX_OPEN)]
    await desk.order_all([(f"n{n}", order) for n, order in enumerate(many)])
    with pytest.raises(TooManyOpen, match="withdraw some"):
        await desk.order_all(
            [("x", AssetOrder("b", 1.0)), ("y", AssetOrder("a", 1.0)), ("z", AssetOrder("a", 2.0))],
            used,
        )
    assert store.others == []
    assert {dispatch.asset_id for dispatch in store.kept.values()} == {"a"}
    await desk.order(AssetOrder("a", 1.0))
    with pytest.raises(TooManyOpen):
        await desk.order(AssetOrder("a", 1.0))
    assert len(store.kept) == MAX_OPEN


# --- withdrawn ----------------------------------------------------------------------------


async def test_a_waiting_dispatch_is_cancelled_at_once(desk: DispatchDesk, store: Store) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    cancelled = await desk.cancel(dispatch.id, "not wanted")
    assert cancelled.state is State.CANCELLED
    assert store.kept[dispatch.id] == cancelled
    for dispatch_id in (dispatch.id, "nobody"):
        with pytest.raises(NotOpen):
            await desk.cancel(dispatch_id, "again")


async def test_a_held_dispatch_is_cancelling_until_the_agent_reports(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    first, second = Link("s1", store=store), Link("s2", store=store)
    desk.session_opened_nowait(first, ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("a", dispatch.id, Reported(State.STARTED, revision=2))
    withdrawn = await desk.cancel(dispatch.id, "not wanted")
    assert (withdrawn.state, withdrawn.cancelling) == (State.STARTED, "not wanted")
    assert await desk.cancel(dispatch.id, "again") == withdrawn
    desk.session_has_room_nowait(first)
    await wait_all_tasks_blocked()
    assert first.cancelled == [dispatch.id]
    desk.session_ended_nowait("s1")
    started = AgentReport("a", dispatch.id, Reported(State.STARTED, revision=2))
    desk.session_opened_nowait(second, [started])
    await wait_all_tasks_blocked()
    assert second.cancelled == [dispatch.id]
    await desk.report("a", dispatch.id, Reported(State.CANCELLED, revision=3))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.CANCELLED


async def test_a_dispatch_is_withdrawn_while_its_agent_is_away(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    desk.session_opened_nowait(Link("s1", granted=("a", "b")), ())
    arrived = await desk.order(AssetOrder("a", 1.0))
    lost = await desk.order(AssetOrder("b", 1.0))
    desk.session_ended_nowait("s1")
    for dispatch in (arrived, lost):
        withdrawn = await desk.cancel(dispatch.id, "not wanted")
        assert (withdrawn.state, withdrawn.cancelling) == (State.PENDING, "not wanted")
    link = Link("s2", granted=("a", "b"))
    desk.session_opened_nowait(
        link, [AgentReport("a", arrived.id, Reported(State.RECEIVED, revision=1))]
    )
    await wait_all_tasks_blocked()
    assert (link.sent, link.cancelled) == ([], [arrived.id])
    assert store.kept[lost.id].state is State.CANCELLED


async def test_a_withdrawal_outlives_the_headend(
    store: Store, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    runtime = virtual_runtime(T0)
    async with trio.open_nursery() as before:
        first = DispatchDesk(store, runtime)
        await before.start(first.run)
        first.session_opened_nowait(Link("s1"), ())
        dispatch = await first.order(AssetOrder("a", 1.0))
        await first.cancel(dispatch.id, "not wanted")
        before.cancel_scope.cancel()
    second = DispatchDesk(store, runtime)
    await nursery.start(second.run)
    link = Link("s2")
    report = AgentReport("a", dispatch.id, Reported(State.RECEIVED, revision=1))
    second.session_opened_nowait(link, [report])
    await wait_all_tasks_blocked()
    assert link.cancelled == [dispatch.id]


async def test_a_withdrawal_that_the_journal_refuses_does_not_exist(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    store.refusing = True
    with pytest.raises(JournalError, match="disk full"):
        await desk.cancel(dispatch.id, "not wanted")
    store.refusing = False
    await trio.sleep(10)
    assert desk.get(dispatch.id) == dispatch


async def test_a_deadline_outlives_a_full_disk(
    desk: DispatchDesk, store: Store, autojump_clock: trio.testing.MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0, 10 * S))
    store.refusing = True
    await trio.sleep(60)
    assert desk.get(dispatch.id) == dispatch
    store.refusing = False
    await trio.sleep(2)
    assert store.kept[dispatch.id].state is State.EXPIRED

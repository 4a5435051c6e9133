"""Starts, deadlines and ends of windows, and the setpoint in force."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AssetOrder, DispatchDesk, Reported, State
from derhead.dispatch.orders.order import PENDING_TTL_US
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import T0, S


async def test_a_dispatch_that_no_agent_takes_expires(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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


async def test_no_dispatch_is_in_force_past_its_window(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0, duration_us=2_000_000))
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    await wait_all_tasks_blocked()
    assert desk.in_force("a") is not None
    desk.session_ended_nowait("s1")
    await trio.sleep(2.1)
    assert desk.in_force("a") is None


async def test_an_order_for_later_is_sent_ahead(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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


async def test_a_suspended_dispatch_is_not_in_force(desk: DispatchDesk) -> None:
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


async def test_no_dispatch_is_in_force_after_its_window_without_a_report(
    desk: DispatchDesk, autojump_clock: MockClock
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
    assert [len(desk.of_asset(asset_id)) for asset_id in ("a", "b")] == [1, 2]

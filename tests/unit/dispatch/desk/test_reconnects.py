"""Dispatches while their agent or the headend comes and goes."""

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AgentReport, AssetOrder, DispatchDesk, Reported, State
from derproto.base.runtime import virtual_runtime
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import DAY_US, T0, S


async def test_a_dispatch_lost_in_sent_goes_to_the_next_session(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("a", dispatch.id, Reported(State.STARTED))
    desk.session_ended_nowait("s1")
    desk.session_opened_nowait(Link("s2"), ())
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.FAILED
    assert store.kept[dispatch.id].reason == "NO_REPORT"
    assert desk.get(dispatch.id) is None


async def test_a_sent_dispatch_is_pending_after_a_restart(
    store: Store, nursery: trio.Nursery, autojump_clock: MockClock
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


async def test_a_sent_dispatch_outlives_its_time_to_wait(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    assert [desk.get(each.id) for each in (lost, started)] == [None, None]

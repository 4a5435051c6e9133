"""Withdrawals of waiting, sent and started dispatches."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AgentReport, AssetOrder, DispatchDesk, NotOpen, Reported, State
from derproto.base.runtime import virtual_runtime
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import T0


async def test_a_waiting_dispatch_is_cancelled_at_once(desk: DispatchDesk, store: Store) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    cancelled = await desk.cancel(dispatch.id, "not wanted")
    assert cancelled.state is State.CANCELLED
    assert store.kept[dispatch.id] == cancelled
    for dispatch_id in (dispatch.id, "nobody"):
        with pytest.raises(NotOpen):
            await desk.cancel(dispatch_id, "again")


async def test_a_held_dispatch_is_cancelling_until_the_agent_reports(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    store: Store, nursery: trio.Nursery, autojump_clock: MockClock
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

"""Orders go to the session that holds the asset, and reports come back."""

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AssetOrder, DispatchDesk, Reported, State, TooManyOpen, UsedKey
from derhead.dispatch.desk.intake import MAX_OPEN
from tests.support.dispatch.desk_fakes import Link, Store
from tests.support.epoch import T0, S


async def test_an_order_for_an_offline_asset_waits(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    link = Link("s1", store=store)
    desk.session_opened_nowait(link, ())
    dispatch = await desk.order(AssetOrder("a", -2.0, duration_us=60_000_000))
    assert dispatch.state is State.SENT
    assert [change.state for change in dispatch.states] == [State.PENDING, State.SENT]
    assert link.sent == [dispatch.id]


async def test_the_time_of_sending_is_journaled_with_the_next_change(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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


async def test_reports_end_a_dispatch_and_later_ones_change_nothing(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
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


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED])
async def test_the_log_tells_why_an_agent_or_its_device_refused(
    state: State, desk: DispatchDesk, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    desk.session_opened_nowait(Link("s1"), ())
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("a", dispatch.id, Reported(state, "HARDWARE_ERROR", "no answer"))
    await wait_all_tasks_blocked()
    assert (
        f'level=warning event="dispatch ended" dispatch={dispatch.id} asset=a state={state} '
        'reason=HARDWARE_ERROR detail="no answer"'
    ) in caplog.text


async def test_a_report_by_another_assets_agent_does_not_count(
    desk: DispatchDesk, store: Store, autojump_clock: MockClock
) -> None:
    dispatch = await desk.order(AssetOrder("a", 1.0))
    await desk.report("b", dispatch.id, Reported(State.COMPLETED))
    await wait_all_tasks_blocked()
    assert store.kept[dispatch.id].state is State.PENDING


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

"""Setpoints down a session, and reports of dispatches up."""

from uuid import UUID

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AssetOrder, Reported, State
from derhead.sessions.streams.outgoing import SETPOINTS_QUEUED
from derproto.der.v1 import AgentMessage, DispatchReport, DispatchState, GrantResult
from tests.stream.sessions.bench import A1, A2, OWNED, Bench, in_a_row, receive, telemetry


async def test_a_dispatch_goes_down_the_stream_and_its_reports_come_back(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.welcomed() as stream:
        await trio.sleep(3)
        dispatch = await bench.desk.order(AssetOrder(A2, -1.5, duration_us=60_000_000, priority=7))
        setpoint = await receive(stream, "setpoint")
        assert setpoint.dispatch_id == dispatch.id
        assert (setpoint.asset_index, setpoint.mw, setpoint.priority) == (1, -1.5, 7)
        assert (setpoint.start_delay_us, setpoint.remaining_us) == (0, 60_000_000)
        assert setpoint.sent_at_session_us == 3_000_000
        for state in (DispatchState.RECEIVED, DispatchState.STARTED):
            await stream.send_message(
                AgentMessage(
                    dispatch_report=DispatchReport(
                        dispatch_id=dispatch.id, asset_index=1, state=state, applied_mw=-1.5
                    )
                )
            )
        await stream.send_message(telemetry(1, 1))
        await receive(stream, "telemetry_ack")
        in_force = bench.desk.in_force(A2)
        assert in_force is not None
        assert in_force.id == dispatch.id
        await stream.send_message(telemetry(2, 1))
        await receive(stream, "telemetry_ack")
    assert bench.store.samples[-1].setpoint_mw == -1.5


async def test_a_pending_dispatch_leaves_with_the_rest_of_its_window(
    bench: Bench, autojump_clock: MockClock
) -> None:
    short = await bench.desk.order(AssetOrder(A1, 1.0, duration_us=10_000_000))
    dispatch = await bench.desk.order(AssetOrder(A1, 1.0, duration_us=60_000_000))
    await trio.sleep(20)
    async with bench.welcomed() as stream:
        setpoint = await receive(stream, "setpoint")
        assert setpoint.dispatch_id == dispatch.id
        assert setpoint.remaining_us == 40_000_000
    assert bench.desk.get(short.id) is None


async def test_register_tells_what_the_agent_already_did(bench: Bench) -> None:
    dispatch = await bench.desk.order(AssetOrder(A1, 1.0))
    done = DispatchReport(dispatch_id=dispatch.id, state=DispatchState.COMPLETED)
    nonsense = DispatchReport(dispatch_id="nonsense", state=DispatchState.COMPLETED)
    async with bench.welcomed(dispatches=[nonsense, done]):
        await wait_all_tasks_blocked()
        assert bench.desk.get(dispatch.id) is None


async def test_a_stream_lost_in_sent_makes_it_pending(bench: Bench) -> None:
    async with bench.welcomed() as stream:
        dispatch = await bench.desk.order(AssetOrder(A1, 1.0))
        assert dispatch.state is State.SENT
        bench.network.cut("headend")
        await wait_all_tasks_blocked()
        pending = bench.desk.get(dispatch.id)
        assert pending is not None
        assert pending.state is State.PENDING
        assert bench.store.ends() == [("x", "connection lost")]
    async with bench.welcomed() as stream:
        assert (await receive(stream, "setpoint")).dispatch_id == dispatch.id


async def test_a_dispatch_is_withdrawn_from_its_agent(bench: Bench) -> None:
    async with bench.welcomed() as stream:
        dispatch = await bench.desk.order(AssetOrder(A2, -1.5))
        await receive(stream, "setpoint")
        await bench.desk.cancel(dispatch.id, "not wanted")
        cancel = await receive(stream, "cancel")
        assert (cancel.dispatch_id, cancel.asset_index) == (dispatch.id, 1)
        assert cancel.reason == "not wanted"
        report = DispatchReport(
            dispatch_id=dispatch.id, asset_index=1, state=DispatchState.CANCELLED, revision=1
        )
        await stream.send_message(AgentMessage(dispatch_report=report))
        await stream.send_message(telemetry(1, 1))
        await receive(stream, "telemetry_ack")
        assert bench.desk.get(dispatch.id) is None


async def test_a_setpoint_that_waits_for_the_stream_does_not_leave_once_withdrawn(
    bench: Bench,
) -> None:
    async with bench.welcomed("x", A1, boot_id=1, window_bytes=512) as stream:
        orders = [await bench.desk.order(order) for order in in_a_row(20)]
        assert {dispatch.state for dispatch in orders} == {State.SENT}
        withdrawn = await bench.desk.cancel(orders[-1].id, "not wanted")
        assert (withdrawn.state, withdrawn.cancelling) == (State.SENT, "not wanted")
        got = [(await receive(stream, "setpoint")).dispatch_id for _ in orders[:-1]]
        assert got == [dispatch.id for dispatch in orders[:-1]]
        assert (await receive(stream, "cancel")).dispatch_id == withdrawn.id
        await stream.cancel()


async def test_an_orphaned_dispatch_is_withdrawn_also_of_a_refused_asset(bench: Bench) -> None:
    held = [
        DispatchReport(dispatch_id=str(UUID(int=n)), asset_index=index, state=state)
        for n, index, state in (
            (1, 0, DispatchState.STARTED),
            (2, 1, DispatchState.RECEIVED),
            (3, 1, DispatchState.COMPLETED),
            (4, 7, DispatchState.STARTED),
        )
    ]
    async with bench.welcomed("x", A1), bench.welcomed("y", A1, A2, dispatches=held) as stream:
        cancels = [await receive(stream, "cancel") for _ in range(2)]
        assert [(UUID(cancel.dispatch_id).int, cancel.asset_index) for cancel in cancels] == [
            (1, 0),
            (2, 1),
        ]


async def test_a_dispatch_to_a_refused_asset_waits_for_an_agent_that_is_granted_it(
    bench: Bench,
) -> None:
    async with bench.agent("other", OWNED, A1) as other, bench.agent("owner", A1) as owner:
        assert (await receive(other, "welcome")).assets[0].result is GrantResult.NOT_AUTHORIZED
        assert (await receive(owner, "welcome")).assets[0].result is GrantResult.ASSET_HELD
        dispatch = await bench.desk.order(AssetOrder(OWNED, 1.0))
        assert dispatch.state is State.PENDING
        await bench.desk.order(AssetOrder(A1, 0.5))
        assert (await receive(other, "setpoint")).mw == 0.5
    async with bench.welcomed("owner", OWNED) as owner:
        assert (await receive(owner, "setpoint")).dispatch_id == dispatch.id


async def test_more_dispatches_than_a_session_has_room_for_are_all_sent(
    bench: Bench, autojump_clock: MockClock
) -> None:
    orders = [await bench.desk.order(order) for order in in_a_row(4 * SETPOINTS_QUEUED)]
    async with bench.welcomed("x", A1) as stream:
        got = [(await receive(stream, "setpoint")).dispatch_id for _ in orders]
        assert got == [dispatch.id for dispatch in orders]
        assert len(bench.sessions.live) == 1


async def test_reports_are_reported(bench: Bench) -> None:
    """The desk and the wire agree on every state that an agent can name."""
    for state in DispatchState:
        if state is DispatchState.UNSPECIFIED:
            continue
        assert Reported(State(state.name.lower())).state.value == state.name.lower()

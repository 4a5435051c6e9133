"""Real sessions over a network in memory: an agent written by hand against the headend's side.

Time is Trio's mock clock, so ten seconds of silence take none.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

import pytest
import trio
from grpclib import GRPCError, Status
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import (
    AgentReport,
    AssetOrder,
    Reported,
    State,
)
from derhead.gaps import GapRecord, HoleCause
from derhead.sessions import (
    HeartbeatRecord,
    SessionRecord,
    service,
)
from derhead.sessions.admission.register import read_reports
from derhead.sessions.streams.acks import RANGES_WAITING
from derhead.sessions.streams.outgoing import SETPOINTS_QUEUED
from derhead.telemetry import Sample, SampleBlock
from derproto.codec import TelemetryColumns
from derproto.der.v1 import (
    AgentMessage,
    DeviceHealth,
    DispatchReport,
    DispatchState,
    GapCause,
    GapReport,
    GoodbyeReason,
    GrantResult,
    Health,
    Heartbeat,
    Outbox,
    RefusalReason,
    Register,
)
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import LinkLimits, connect
from tests.stream.sessions.bench import (
    A1,
    A2,
    OWNED,
    SITE,
    UNKNOWN,
    Bench,
    receive,
    status_of,
    telemetry,
)
from tests.support.epoch import T0

# --- register -----------------------------------------------------------------------------


async def test_welcome_tells_the_rules(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.agent("x", A1, UNKNOWN) as stream:
        welcome = await receive(stream, "welcome")
    assert welcome.telemetry_period_ms == 4000
    assert welcome.heartbeat_period_ms == 30_000
    assert welcome.alive_period_ms == 10_000
    assert welcome.agent_silence_limit_ms == 45_000
    assert [grant.result for grant in welcome.assets] == [
        GrantResult.GRANTED,
        GrantResult.UNKNOWN_ASSET,
    ]
    assert UNKNOWN in welcome.assets[1].detail


async def test_no_register_within_ten_seconds(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.stream() as stream:
        started = trio.current_time()
        status, message = await status_of(stream)
        assert status is Status.DEADLINE_EXCEEDED
        assert message == "no Register within 10 s"
        assert trio.current_time() - started == pytest.approx(10)
    assert bench.sessions.statistics().refused == 1


async def test_the_first_message_must_be_register(bench: Bench) -> None:
    async with bench.stream() as stream:
        await stream.send_message(telemetry(1, 0))
        status, message = await status_of(stream)
    assert (status, message) == (Status.INVALID_ARGUMENT, "the first message must be register")


async def test_a_malformed_identity_names_its_field(bench: Bench) -> None:
    async with bench.agent("not an id") as stream:
        status, message = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    assert message is not None
    assert message.startswith("register.agent_id: 'not an id'")


async def test_a_register_of_unreadable_reports_is_one_log_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [DispatchReport(dispatch_id="none")] * 2000
    async with bench.agent("x", A1, dispatches=bad) as stream:
        await receive(stream, "welcome")
    (line,) = [record.getMessage() for record in caplog.records if "register" in record.msg]
    assert line == (
        "x: register: 2000 of 2000 reports cannot be read, the first: "
        "dispatch_report.dispatch_id: 'none' is not a UUID"
    )


async def test_others_have_their_turn_while_a_register_of_many_reports_is_read(
    bench: Bench, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    pieces: list[tuple[int, int]] = []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    def read(
        reports: Sequence[DispatchReport], asset_ids: Sequence[str]
    ) -> tuple[list[AgentReport], list[str]]:
        pieces.append((turns, len(reports)))
        return read_reports(reports, asset_ids)

    monkeypatch.setattr(service, "read_reports", read)
    nursery.start_soon(take_turns)
    async with bench.agent("x", A1, dispatches=[DispatchReport(dispatch_id="none")] * 2000):
        while sum(size for _, size in pieces) < 2000:
            await trio.lowlevel.checkpoint()
    assert max(size for _, size in pieces) == service.REPORTS_A_TURN
    first, last = pieces[0][0], pieces[-1][0]
    # Trio shuffles the tasks of one turn, so the first and the last may each miss one.
    assert last - first >= len(pieces) - 3


async def test_an_unknown_site_is_warned_of(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async with bench.agent("x", A1, site_id=UNKNOWN) as stream:
        welcome = await receive(stream, "welcome")
    assert [grant.result for grant in welcome.assets] == [GrantResult.GRANTED]
    assert f"x: register.site_id: {UNKNOWN} is not in the fleet" in caplog.text
    caplog.clear()
    async with bench.agent("y", A1, site_id=SITE) as stream:
        await receive(stream, "welcome")
    assert "site_id" not in caplog.text


# --- telemetry ----------------------------------------------------------------------------


async def test_telemetry_is_seen_at_once_and_acknowledged_when_durable(bench: Bench) -> None:
    bench.store.hold_acks = True
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 0, 1))
        await stream.send_message(telemetry(3, 0, p_mw=-0.5))
        await wait_all_tasks_blocked()
        sample = bench.latest.get(A1)
        assert sample is not None
        assert (sample.p_mw, sample.seq) == (-0.5, 3)
        for on_durable in bench.store.waiting:
            on_durable()
        ack = await receive(stream, "telemetry_ack")
        assert ack.boot_id == 7
        assert [(r.first, r.last) for r in ack.durable] == [(1, 3)]


async def test_what_is_kept_of_telemetry_is_its_rows_and_nothing_unknown(bench: Bench) -> None:
    """A row that brings a megabyte of unknown fields weighs no more than another."""
    blocks: list[SampleBlock] = []

    def append(
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord] = (),
    ) -> bool:
        assert isinstance(samples, SampleBlock)
        blocks.append(samples)
        return True

    bench.store.append_telemetry_nowait = append  # type: ignore[method-assign]
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        heavy = telemetry(1, 0)
        assert heavy.telemetry is not None
        # Field 15, and a length.
        heavy.telemetry._unknown_fields = b"\x7a\x80\x89\x7a" + bytes(2_000_000)
        await stream.send_message(heavy)
        await wait_all_tasks_blocked()
        sample = bench.latest.get(A1)
    assert sample is not None
    (block,) = blocks
    assert isinstance(block.columns, TelemetryColumns)
    assert block.columns.to_message()._unknown_fields == b""


async def test_rows_of_a_refused_asset_are_refused_in_the_ack(bench: Bench) -> None:
    async with bench.agent("x", UNKNOWN, A2) as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 0, 0))
        ack = await receive(stream, "telemetry_ack")
        assert [(r.rows.first, r.rows.last, r.reason) for r in ack.refused] == [
            (1, 2, RefusalReason.ASSET_REFUSED)
        ]
        await stream.send_message(telemetry(3, 1))
        ack = await receive(stream, "telemetry_ack")
        assert [(r.first, r.last) for r in ack.durable] == [(3, 3)]
    assert [sample.asset_id for sample in bench.store.samples] == [A2]


async def test_an_index_never_assigned_ends_the_session(bench: Bench) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 2))
        goodbye = await receive(stream, "goodbye")
        assert goodbye.reason is GoodbyeReason.PROTOCOL_ERROR
        status, message = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    assert message == "telemetry.asset_index: 2 was never assigned; 0 to 1 were"
    assert bench.store.ends() == [("x", "protocol error")]


@pytest.mark.parametrize(
    "message",
    [
        AgentMessage(heartbeat=Heartbeat(devices=[DeviceHealth(asset_index=9)])),
        AgentMessage(dispatch_report=DispatchReport(dispatch_id=A1, asset_index=9)),
        AgentMessage(gap_report=GapReport(boot_id=7, number=1, asset_index=9)),
    ],
)
async def test_so_does_one_in_any_other_message(bench: Bench, message: AgentMessage) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(message)
        status, detail = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    assert detail is not None
    assert "9 was never assigned" in detail


async def test_unknown_kinds_and_a_second_register_are_counted_and_ignored(bench: Bench) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(AgentMessage())
        await stream.send_message(AgentMessage(register=Register(agent_id="y")))
        await stream.send_message(telemetry(1, 0))
        await receive(stream, "telemetry_ack")
        (session,) = bench.sessions.live
        assert session.ignored == 2


# --- gaps ---------------------------------------------------------------------------------


def gap_report(number: int, index: int, cause: GapCause = GapCause.OVERFLOW) -> AgentMessage:
    return AgentMessage(
        gap_report=GapReport(
            boot_id=5,
            number=number,
            revision=2,
            asset_index=index,
            cause=cause,
            start_us=T0,
            end_us=T0 + 1,
            rows=3,
        )
    )


async def test_a_gap_is_acknowledged_once_it_is_durable(bench: Bench) -> None:
    bench.store.hold_acks = True
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(gap_report(1, 1))
        await wait_all_tasks_blocked()
        ((asset_id, start_us, cause),) = (
            (gap.asset_id, gap.start_us, gap.cause) for gap in bench.store.gaps
        )
        assert (asset_id, start_us, cause) == (A2, T0, HoleCause.OVERFLOW)
        (on_durable,) = bench.store.waiting
        on_durable()
        ack = await receive(stream, "telemetry_ack")
        assert (ack.boot_id, [(gap.number, gap.revision) for gap in ack.gaps]) == (5, [(1, 2)])


async def test_a_gap_of_no_use_is_acknowledged_too_and_not_kept(bench: Bench) -> None:
    async with bench.agent("x", A1, UNKNOWN) as stream:
        await receive(stream, "welcome")
        for number, report in enumerate(
            (gap_report(1, 1), gap_report(2, 0, GapCause.UNSPECIFIED)), 1
        ):
            await stream.send_message(report)
            ack = await receive(stream, "telemetry_ack")
            assert [gap.number for gap in ack.gaps] == [number]
        (session,) = bench.sessions.live
        assert session.ignored == 2
    assert bench.store.gaps == []


async def test_an_agent_may_tell_of_an_asset_that_another_holds_by_now(bench: Bench) -> None:
    async with bench.agent("x", A1) as holder, bench.agent("y", OWNED, A1) as stream:
        await receive(holder, "welcome")
        await receive(stream, "welcome")
        await stream.send_message(gap_report(1, 0))
        await receive(stream, "telemetry_ack")
        assert bench.store.gaps == []
        await stream.send_message(gap_report(2, 1, GapCause.REFUSED))
        await receive(stream, "telemetry_ack")
        assert [(gap.asset_id, gap.agent_id) for gap in bench.store.gaps] == [(A1, "y")]


# --- heartbeats and silence ---------------------------------------------------------------


async def test_a_heartbeat_is_kept(bench: Bench) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(
            AgentMessage(
                heartbeat=Heartbeat(
                    ts_us=T0 + 5,
                    uptime_ms=1000,
                    outbox=Outbox(rows=3, dropped_rows=2),
                    devices=[
                        DeviceHealth(asset_index=0, health=Health.OK),
                        DeviceHealth(asset_index=1),
                    ],
                )
            )
        )
        await wait_all_tasks_blocked()
    heartbeat = bench.sessions.heartbeat("x")
    assert heartbeat is not None
    assert heartbeat in bench.store.notes
    assert (heartbeat.outbox_rows, heartbeat.dropped_rows) == (3, 2)
    assert heartbeat.devices == ((A1, "ok"), (A2, "unknown"))


async def test_the_headend_is_alive_every_ten_seconds(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        welcomed = trio.current_time()
        for number in (1, 2, 3):
            alive = await receive(stream, "alive")
            assert alive.session_us == number * 10_000_000
            assert trio.current_time() - welcomed == pytest.approx(10 * number)


async def test_a_silent_agent_is_ended_and_gone(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await trio.sleep(30)
        await stream.send_message(AgentMessage(heartbeat=Heartbeat(ts_us=T0)))
        heard = trio.current_time()
        goodbye = await receive(stream, "goodbye")
        assert goodbye.reason is GoodbyeReason.SILENT
        assert trio.current_time() - heard == pytest.approx(45)
        assert (await status_of(stream))[0] is Status.DEADLINE_EXCEEDED
    assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "silent")]
    assert bench.sessions.holder(A1) is None
    assert bench.sessions.last_holder(A1) == "x"


async def test_an_agent_held_up_by_the_journal_is_not_silent(
    bench: Bench, autojump_clock: MockClock
) -> None:
    bench.store.held_up = True
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 0))
        await trio.sleep(300)
        assert len(bench.sessions.live) == 1
        await receive(stream, "alive")


# --- identity -----------------------------------------------------------------------------


async def test_a_second_stream_of_an_agent_wins(bench: Bench) -> None:
    async with bench.agent() as first:
        await receive(first, "welcome")
        async with bench.agent() as second:
            await receive(second, "welcome")
            goodbye = await receive(first, "goodbye")
            assert goodbye.reason is GoodbyeReason.SUPERSEDED
            assert await status_of(first) == (Status.OK, None)
            await second.send_message(telemetry(1, 0))
            await receive(second, "telemetry_ack")
            assert len(bench.sessions.live) == 1
    assert ("x", "superseded") in bench.store.ends()


async def test_two_agents_with_one_id_are_both_sent_away(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with (
        bench.agent(boot_id=1) as one,
        bench.agent(boot_id=2) as two,
        bench.agent(boot_id=1) as three,
    ):
        for stream in (one, two, three):
            await receive(stream, "welcome")
        async with bench.agent(boot_id=2) as four:
            for stream in (three, four):
                goodbye = await receive(stream, "goodbye")
                assert goodbye.reason is GoodbyeReason.DUPLICATE_ID
                assert goodbye.reconnect_after_ms == 30_000
    assert bench.sessions.is_duplicate("x")
    async with bench.agent() as back:
        await receive(back, "welcome")


async def test_an_asset_of_a_live_agent_is_refused(bench: Bench) -> None:
    async with bench.agent("x", A1) as first, bench.agent("y", A1, A2) as second:
        await receive(first, "welcome")
        welcome = await receive(second, "welcome")
        assert [grant.result for grant in welcome.assets] == [
            GrantResult.ASSET_HELD,
            GrantResult.GRANTED,
        ]
        assert welcome.assets[0].detail == "held by x"


# --- dispatches ---------------------------------------------------------------------------


async def test_a_dispatch_goes_down_the_stream_and_its_reports_come_back(
    bench: Bench, autojump_clock: MockClock
) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
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


async def test_a_pending_dispatch_leaves_with_what_remains_of_it(
    bench: Bench, autojump_clock: MockClock
) -> None:
    short = await bench.desk.order(AssetOrder(A1, 1.0, duration_us=10_000_000))
    dispatch = await bench.desk.order(AssetOrder(A1, 1.0, duration_us=60_000_000))
    await trio.sleep(20)
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        setpoint = await receive(stream, "setpoint")
        assert setpoint.dispatch_id == dispatch.id
        assert setpoint.remaining_us == 40_000_000
    assert bench.desk.get(short.id) is None


async def test_register_tells_what_the_agent_already_did(bench: Bench) -> None:
    dispatch = await bench.desk.order(AssetOrder(A1, 1.0))
    done = DispatchReport(dispatch_id=dispatch.id, state=DispatchState.COMPLETED)
    nonsense = DispatchReport(dispatch_id="nonsense", state=DispatchState.COMPLETED)
    async with bench.agent(dispatches=[nonsense, done]) as stream:
        await receive(stream, "welcome")
        await wait_all_tasks_blocked()
        assert bench.desk.get(dispatch.id) is None


async def test_a_stream_lost_in_sent_makes_it_pending(bench: Bench) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        dispatch = await bench.desk.order(AssetOrder(A1, 1.0))
        assert dispatch.state is State.SENT
        bench.network.cut("headend")
        await wait_all_tasks_blocked()
        pending = bench.desk.get(dispatch.id)
        assert pending is not None
        assert pending.state is State.PENDING
        assert bench.store.ends() == [("x", "connection lost")]
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        assert (await receive(stream, "setpoint")).dispatch_id == dispatch.id


def in_a_row(count: int) -> list[AssetOrder]:
    """Orders that do not touch each other, beginning a minute from now."""
    minute = 60_000_000
    return [
        AssetOrder(A1, 0.5, minute, start_us=T0 + (place + 1) * minute) for place in range(count)
    ]


async def test_a_dispatch_is_withdrawn_from_its_agent(bench: Bench) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
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
    memory = await bench.network.connect("headend")
    limits = LinkLimits(stream_window_bytes=512)
    async with connect(memory, authority="headend", codec=MessageCodec(), limits=limits) as channel:
        async with channel.request(SESSION) as stream:
            register = Register(agent_id="x", asset_ids=[A1], boot_id=1)
            await stream.send_message(AgentMessage(register=register))
            await receive(stream, "welcome")
            orders = [await bench.desk.order(order) for order in in_a_row(20)]
            assert {dispatch.state for dispatch in orders} == {State.SENT}
            withdrawn = await bench.desk.cancel(orders[-1].id, "not wanted")
            assert (withdrawn.state, withdrawn.cancelling) == (State.SENT, "not wanted")
            got = [(await receive(stream, "setpoint")).dispatch_id for _ in orders[:-1]]
            assert got == [dispatch.id for dispatch in orders[:-1]]
            assert (await receive(stream, "cancel")).dispatch_id == withdrawn.id
            await stream.cancel()


async def test_what_the_headend_does_not_lead_is_withdrawn_also_of_a_refused_asset(
    bench: Bench,
) -> None:
    held = [
        DispatchReport(dispatch_id=str(UUID(int=n)), asset_index=index, state=state)
        for n, index, state in (
            (1, 0, DispatchState.STARTED),
            (2, 1, DispatchState.RECEIVED),
            (3, 1, DispatchState.COMPLETED),
            (4, 7, DispatchState.STARTED),
        )
    ]
    async with bench.agent("x", A1), bench.agent("y", A1, A2, dispatches=held) as stream:
        await receive(stream, "welcome")
        cancels = [await receive(stream, "cancel") for _ in range(2)]
        assert [(UUID(cancel.dispatch_id).int, cancel.asset_index) for cancel in cancels] == [
            (1, 0),
            (2, 1),
        ]


async def test_a_dispatch_to_an_asset_that_its_agent_was_refused_waits_for_one_that_is_granted_it(
    bench: Bench,
) -> None:
    async with bench.agent("other", OWNED, A1) as other, bench.agent("owner", A1) as owner:
        assert (await receive(other, "welcome")).assets[0].result is GrantResult.NOT_AUTHORIZED
        assert (await receive(owner, "welcome")).assets[0].result is GrantResult.ASSET_HELD
        dispatch = await bench.desk.order(AssetOrder(OWNED, 1.0))
        assert dispatch.state is State.PENDING
        await bench.desk.order(AssetOrder(A1, 0.5))
        assert (await receive(other, "setpoint")).mw == 0.5
    async with bench.agent("owner", OWNED) as owner:
        await receive(owner, "welcome")
        assert (await receive(owner, "setpoint")).dispatch_id == dispatch.id


async def test_more_dispatches_than_a_session_has_room_for_are_all_sent(
    bench: Bench, autojump_clock: MockClock
) -> None:
    orders = [await bench.desk.order(order) for order in in_a_row(4 * SETPOINTS_QUEUED)]
    async with bench.agent("x", A1) as stream:
        await receive(stream, "welcome")
        got = [(await receive(stream, "setpoint")).dispatch_id for _ in orders]
        assert got == [dispatch.id for dispatch in orders]
        assert len(bench.sessions.live) == 1


async def test_an_agent_that_does_not_read_is_ended_and_no_setpoint_lost(
    bench: Bench, autojump_clock: MockClock
) -> None:
    memory = await bench.network.connect("headend")
    limits = LinkLimits(stream_window_bytes=512)
    async with connect(memory, authority="headend", codec=MessageCodec(), limits=limits) as channel:
        async with channel.request(SESSION) as stream:
            register = Register(agent_id="x", asset_ids=[A1], boot_id=1)
            await stream.send_message(AgentMessage(register=register))
            await receive(stream, "welcome")
            orders = [await bench.desk.order(order) for order in in_a_row(4 * SETPOINTS_QUEUED)]
            assert {dispatch.state for dispatch in orders} == {State.SENT, State.PENDING}
            await trio.sleep(40)
            assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "slow reader")]
    await wait_all_tasks_blocked()
    states = {dispatch.id: bench.desk.get(dispatch.id) for dispatch in orders}
    assert all(d is not None and d.state is State.PENDING for d in states.values())
    async with bench.agent("x", A1) as again:
        await receive(again, "welcome")
        got = [(await receive(again, "setpoint")).dispatch_id for _ in orders]
        assert got == [dispatch.id for dispatch in orders]


async def test_one_that_does_not_read_and_has_every_row_refused_is_ended_in_time(
    bench: Bench, autojump_clock: MockClock
) -> None:
    """Refusals wait for nothing else than its reading, and none touches the next."""
    rows = 4000
    memory = await bench.network.connect("headend")
    limits = LinkLimits(stream_window_bytes=512)
    async with connect(memory, authority="headend", codec=MessageCodec(), limits=limits) as channel:
        async with channel.request(SESSION) as stream:
            register = Register(agent_id="x", asset_ids=[UNKNOWN, A1], boot_id=1)
            await stream.send_message(AgentMessage(register=register))
            await receive(stream, "welcome")
            began = trio.current_time()
            with suppress(GRPCError):
                for number in range(RANGES_WAITING // rows + 10):
                    by_turns = telemetry(1 + number * rows, *(row % 2 for row in range(rows)))
                    assert by_turns.telemetry is not None
                    by_turns.telemetry.ts_us = [-1] * rows
                    await stream.send_message(by_turns)
                while True:
                    await stream.recv_message()
            # Long before its Alive has waited for a period.
            assert trio.current_time() - began < 5
            await wait_all_tasks_blocked()
            assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "slow reader")]


async def test_one_that_takes_nothing_from_the_start_can_be_superseded(
    bench: Bench, autojump_clock: MockClock
) -> None:
    """It opens so small a window that not even the Welcome can be sent."""
    limits = LinkLimits(stream_window_bytes=16)
    memory = await bench.network.connect("headend")
    async with connect(memory, authority="headend", codec=MessageCodec(), limits=limits) as channel:
        async with channel.request(SESSION) as stream:
            register = Register(agent_id="x", asset_ids=[A1], boot_id=1)
            await stream.send_message(AgentMessage(register=register))
            await trio.sleep(1)
            assert len(bench.sessions.live) == 1
            async with bench.agent("x", A1, boot_id=2) as newer:
                await receive(newer, "welcome")
                await trio.sleep(3)
                assert len(bench.sessions.live) == 1
            await stream.cancel()
    assert bench.store.ends()[0] == ("x", "superseded")


async def test_one_that_takes_nothing_from_the_start_is_ended(
    bench: Bench, autojump_clock: MockClock
) -> None:
    memory = await bench.network.connect("headend")
    limits = LinkLimits(stream_window_bytes=16)
    async with connect(memory, authority="headend", codec=MessageCodec(), limits=limits) as channel:
        async with channel.request(SESSION) as stream:
            register = Register(agent_id="x", asset_ids=[A1], boot_id=1)
            await stream.send_message(AgentMessage(register=register))
            await trio.sleep(19)
            assert len(bench.sessions.live) == 1
            await trio.sleep(5)
            assert bench.sessions.live == ()
    assert bench.store.ends() == [("x", "slow reader")]


# --- ends ---------------------------------------------------------------------------------


async def test_draining_says_goodbye_to_all(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.agent("x", A1) as one, bench.agent("y", A2) as two:
        for stream in (one, two):
            await receive(stream, "welcome")
        bench.sessions.drain()
        for stream in (one, two):
            goodbye = await receive(stream, "goodbye")
            assert goodbye.reason is GoodbyeReason.DRAINING
            assert await status_of(stream) == (Status.OK, None)
    async with bench.agent("z") as late:
        assert (await receive(late, "goodbye")).reason is GoodbyeReason.DRAINING
    assert sorted(bench.store.ends()) == [("x", "draining"), ("y", "draining")]


async def test_an_agent_that_leaves_is_remembered(bench: Bench) -> None:
    async with bench.agent("x", A1) as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 0))
        await receive(stream, "telemetry_ack")
        await stream.end()
        assert await status_of(stream) == (Status.OK, None)
    last = bench.store.notes[-1]
    assert isinstance(last, SessionRecord)
    assert (last.end_reason, last.messages, last.samples) == ("closed by agent", 2, 1)
    assert bench.sessions.knows_agent("x")
    assert not bench.sessions.knows_agent("y")


@pytest.mark.parametrize("desk_has_room", [True, False])
async def test_a_crashing_desk_report_ends_that_session_only(
    desk_has_room: bool,
    bench: Bench,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def crash(*_args: object) -> None:
        raise RuntimeError("a fault of our own")

    def report_nowait(*_args: object) -> bool:
        if desk_has_room:
            raise RuntimeError("a fault of our own")
        return False

    async with bench.agent("x", A1) as one, bench.agent("y", A2) as two:
        for stream in (one, two):
            await receive(stream, "welcome")
        with monkeypatch.context() as patched:
            patched.setattr(bench.desk, "report", crash)
            patched.setattr(bench.desk, "report_nowait", report_nowait)
            await one.send_message(
                AgentMessage(
                    dispatch_report=DispatchReport(
                        dispatch_id=A1, asset_index=0, state=DispatchState.STARTED
                    )
                )
            )
            assert (await status_of(one))[0] is Status.UNKNOWN
        await two.send_message(telemetry(1, 0))
        await receive(two, "telemetry_ack")
    assert ("x", "internal error") in bench.store.ends()
    assert "a fault of our own" in caplog.text


async def test_the_journal_remembers_across_restarts(bench: Bench) -> None:
    record = SessionRecord("s", "old", SITE, (A1,), T0, "peer", "1", 1)
    heartbeat = HeartbeatRecord("old", T0, T0, 1, 0, 0, ())
    bench.sessions.remember([record], [heartbeat])
    assert bench.sessions.knows_agent("old")
    assert bench.sessions.last_holder(A1) == "old"
    assert bench.sessions.heartbeat("old") == heartbeat


async def test_reports_are_reported(bench: Bench) -> None:
    """The desk and the wire agree on every state that an agent can name."""
    for state in DispatchState:
        if state is DispatchState.UNSPECIFIED:
            continue
        assert Reported(State(state.name.lower())).state.value == state.name.lower()

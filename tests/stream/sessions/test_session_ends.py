"""Heartbeats, silence, and the ends of sessions."""

import pytest
import trio
from grpclib import Status
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.sessions import HeartbeatRecord, SessionRecord
from derproto.der.v1 import (
    AgentMessage,
    DeviceHealth,
    DispatchReport,
    DispatchState,
    GoodbyeReason,
    Health,
    Heartbeat,
    Outbox,
)
from tests.stream.sessions.bench import A1, A2, SITE, Bench, receive, status_of, telemetry
from tests.support.epoch import T0


async def test_a_heartbeat_is_kept(bench: Bench) -> None:
    async with bench.welcomed() as stream:
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
    async with bench.welcomed() as stream:
        welcomed = trio.current_time()
        for number in (1, 2, 3):
            alive = await receive(stream, "alive")
            assert alive.session_us == number * 10_000_000
            assert trio.current_time() - welcomed == pytest.approx(10 * number)


async def test_a_silent_agent_is_ended_and_gone(bench: Bench, autojump_clock: MockClock) -> None:
    async with bench.welcomed() as stream:
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
    async with bench.welcomed() as stream:
        await stream.send_message(telemetry(1, 0))
        await trio.sleep(300)
        assert len(bench.sessions.live) == 1
        await receive(stream, "alive")


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
    async with bench.welcomed("x", A1) as stream:
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

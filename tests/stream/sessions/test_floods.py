"""What one client can do to a headend's sessions: counted in places, rows and waits."""

from uuid import UUID

import pytest
import trio
from grpclib import Status
from trio.testing import MockClock

from derhead.sessions import HeartbeatRecord, SessionLimits
from derhead.sessions.streams import allowances
from derhead.sessions.streams.allowances import (
    BOOTS_BURST,
    BOOTS_S,
    DISPATCH_REPORTS_BURST,
    DISPATCH_REPORTS_S,
    GAP_REPORTS_BURST,
    GAP_REPORTS_S,
    HEARTBEATS_BURST,
    SESSIONS_BURST,
    SESSIONS_S,
)
from derproto.der.v1 import (
    AgentMessage,
    DeviceHealth,
    DispatchReport,
    DispatchState,
    GapCause,
    GapReport,
    Health,
    Heartbeat,
    RefusalReason,
)
from derproto.triogrpc import LinkLimits, NewcomerLimits
from tests.stream.sessions.bench import (
    A1,
    A2,
    OWNED,
    UNKNOWN,
    Bench,
    receive,
    start_bench,
    status_of,
    telemetry,
)
from tests.support.epoch import T0

LINKS = LinkLimits(max_connections=4, newcomers=NewcomerLimits(max_message_bytes=1000))


async def test_connections_that_never_register_give_way_to_agents(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    bench = await start_bench(nursery, link_limits=LINKS)
    async with trio.open_nursery() as streams:
        for _ in range(LINKS.max_connections):
            await bench.network.connect("headend")
        for name in "wxyz":

            async def live(agent_id: str = name) -> None:
                async with bench.agent(agent_id, UNKNOWN) as stream:
                    await receive(stream, "welcome")
                    await trio.sleep(20)

            streams.start_soon(live)
        await trio.sleep(15)
        assert len(bench.sessions.live) == LINKS.max_connections


async def test_a_first_message_is_small_and_later_ones_are_not(nursery: trio.Nursery) -> None:
    bench = await start_bench(nursery, link_limits=LINKS)
    async with bench.agent("x", software_version="v" * 1000) as stream:
        status, message = await status_of(stream)
    assert status is Status.RESOURCE_EXHAUSTED
    assert message is not None
    assert message.endswith("is larger than 1000")
    async with bench.agent("x") as stream:
        await receive(stream, "welcome")
        heartbeat = Heartbeat(uptime_ms=1)
        heartbeat._unknown_fields = b"\x7a\xd0\x0f" + bytes(2000)
        await stream.send_message(AgentMessage(heartbeat=heartbeat))
        while bench.sessions.heartbeat("x") is None:
            await trio.lowlevel.checkpoint()


async def test_a_session_that_holds_no_asset_gives_way_to_another(nursery: trio.Nursery) -> None:
    bench = await start_bench(nursery, SessionLimits(max_sessions=2))
    async with bench.agent("none", UNKNOWN) as none, bench.agent("x", A1) as first:
        await receive(none, "welcome")
        await receive(first, "welcome")
        async with bench.agent("y", A2) as second:
            await receive(second, "welcome")
            assert await status_of(none) == (
                Status.RESOURCE_EXHAUSTED,
                "2 sessions are open, and this one was granted no asset",
            )
            async with bench.agent("z", UNKNOWN) as late:
                assert (await status_of(late))[0] is Status.RESOURCE_EXHAUSTED


async def test_gap_reports_beyond_the_allowance_are_held_back(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    reports = GAP_REPORTS_BURST + 5 * round(GAP_REPORTS_S)
    async with bench.agent() as stream, bench.agent("owner", OWNED) as other:
        await receive(stream, "welcome")
        await receive(other, "welcome")
        began_at = trio.current_time()
        async with trio.open_nursery() as nursery:

            async def flood() -> None:
                for number in range(reports):
                    await stream.send_message(gap_report(number + 1))

            nursery.start_soon(flood)
            await trio.sleep(1)
            taken = len(bench.store.gaps)
            assert taken <= GAP_REPORTS_BURST + GAP_REPORTS_S + 1
            # Nobody else waits for it.
            await other.send_message(heartbeat(1))
            while bench.sessions.heartbeat("owner") is None:
                await trio.lowlevel.checkpoint()
            assert trio.current_time() - began_at == pytest.approx(1)
        acknowledged: set[int] = set()
        while len(acknowledged) < reports:
            ack = await receive(stream, "telemetry_ack")
            acknowledged.update(gap.number for gap in ack.gaps)
        assert trio.current_time() - began_at == pytest.approx(5, abs=0.1)
    assert bench.sessions.statistics().excess["gap_report"] >= 5 * GAP_REPORTS_S - 1
    assert caplog.text.count("agent sends too many gap reports: it is held back") == 1


async def test_heartbeats_beyond_the_allowance_are_kept_in_memory_only(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        for uptime_ms in range(1, 10_001):
            await stream.send_message(heartbeat(uptime_ms))
        while (newest := bench.sessions.heartbeat("x")) is None or newest.uptime_ms < 10_000:
            await trio.lowlevel.checkpoint()
    stored = [note for note in bench.store.notes if isinstance(note, HeartbeatRecord)]
    assert len(stored) == HEARTBEATS_BURST
    assert len(bench.store.notes) <= 2 * HEARTBEATS_BURST + 2
    assert bench.sessions.statistics().excess["heartbeat"] == 10_000 - HEARTBEATS_BURST
    assert caplog.text.count("agent sends too many heartbeats: only the newest is kept") == 1


async def test_an_agent_that_reconnects_keeps_its_allowances(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(SESSIONS_BURST):
        async with bench.agent() as stream:
            await receive(stream, "welcome")
            await stream.send_message(heartbeat(number))
            await stream.end()
            await status_of(stream)
    stored = [note for note in bench.store.notes if isinstance(note, HeartbeatRecord)]
    assert len(stored) == HEARTBEATS_BURST
    for _ in range(3):
        async with bench.agent() as stream:
            assert await status_of(stream) == (
                Status.RESOURCE_EXHAUSTED,
                "register: too many sessions of this agent; wait 10 s",
            )
    async with bench.agent("another") as stream:
        await receive(stream, "welcome")
    excess = bench.sessions.statistics().excess
    assert excess["session"] == 3
    assert excess["heartbeat"] == SESSIONS_BURST - HEARTBEATS_BURST
    assert "agent registers too often: it is refused" in caplog.text
    await trio.sleep(1 / SESSIONS_S)
    async with bench.agent() as stream:
        await receive(stream, "welcome")


async def test_a_heartbeat_that_repeats_a_device_is_stored_with_the_last_of_each(
    bench: Bench,
) -> None:
    devices = [DeviceHealth(asset_index=n % 2, health=Health(1 + n % 3)) for n in range(600)]
    async with bench.agent("x", A1, A2) as stream:
        await receive(stream, "welcome")
        await stream.send_message(AgentMessage(heartbeat=Heartbeat(devices=devices)))
        while (newest := bench.sessions.heartbeat("x")) is None:
            await trio.lowlevel.checkpoint()
    assert newest.devices == ((A1, "degraded"), (A2, "unreachable"))


async def test_telemetry_beyond_the_allowance_is_held_back(
    nursery: trio.Nursery,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(allowances, "ROWS_BURST", 1_000)
    # Two assets at this period: 20 rows a second.
    bench = await start_bench(nursery, SessionLimits(telemetry_period_s=0.2))
    async with bench.agent("x", A1, A2) as stream, bench.agent("owner", OWNED) as other:
        await receive(stream, "welcome")
        await receive(other, "welcome")
        began_at = trio.current_time()
        for first in range(1, 1_401, 100):
            await stream.send_message(telemetry(first, *[0, 1] * 50))
        await other.send_message(telemetry(1, 0))
        await receive(other, "telemetry_ack")
        assert trio.current_time() == began_at
        await stream.end()
        await status_of(stream)
        assert trio.current_time() - began_at == pytest.approx(400 / 20, abs=0.1)
    assert len(bench.store.samples) == 1_401
    assert bench.sessions.statistics().excess["row"] == 400
    assert caplog.text.count("agent sends too much telemetry: it is held back") == 1


async def test_telemetry_of_too_many_boots_is_held_back(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    boots = BOOTS_BURST + 3 * round(BOOTS_S)
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        began_at = trio.current_time()
        for boot_id in range(1, boots + 1):
            for seq in (1, 2):
                message = telemetry(seq, 0)
                assert message.telemetry is not None
                message.telemetry.boot_id = boot_id
                await stream.send_message(message)
        await stream.end()
        await status_of(stream)
        assert trio.current_time() - began_at == pytest.approx(3, abs=0.1)
    assert len(bench.store.samples) == 2 * boots
    assert bench.sessions.statistics().excess["boot"] == 3
    assert caplog.text.count("agent sends telemetry of too many boots: it is held back") == 1


async def test_dispatch_reports_beyond_the_allowance_are_held_back(
    bench: Bench, autojump_clock: MockClock
) -> None:
    reports = DISPATCH_REPORTS_BURST + 2 * round(DISPATCH_REPORTS_S)
    report = DispatchReport(dispatch_id=str(UUID(int=1)), state=DispatchState.RECEIVED)
    async with bench.agent() as stream:
        await receive(stream, "welcome")
        began_at = trio.current_time()
        for _ in range(reports):
            await stream.send_message(AgentMessage(dispatch_report=report))
        await stream.end()
        await status_of(stream)
        assert trio.current_time() - began_at == pytest.approx(2, abs=0.1)
    assert bench.sessions.statistics().excess["dispatch_report"] >= 2 * DISPATCH_REPORTS_S - 1


async def test_samples_of_the_year_2200_are_refused_counted_and_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    year_2200_us = 7_258_118_400_000_000
    async with bench.agent("x", A1, UNKNOWN) as stream:
        await receive(stream, "welcome")
        await stream.send_message(telemetry(1, 0, 0, ts_us=year_2200_us))
        ack = await receive(stream, "telemetry_ack")
        assert [(r.rows.first, r.rows.last, r.reason) for r in ack.refused] == [
            (1, 2, RefusalReason.TIME_OUT_OF_RANGE)
        ]
        await stream.send_message(telemetry(3, 0, ts_us=year_2200_us))
        await receive(stream, "telemetry_ack")
        await stream.send_message(telemetry(4, 1))
        await receive(stream, "telemetry_ack")
        assert bench.latest.get(A1) is None
        await stream.send_message(telemetry(5, 0))
        assert [r.first for r in (await receive(stream, "telemetry_ack")).durable] == [5]
    assert [sample.ts_us for sample in bench.store.samples] == [T0]
    assert bench.sessions.statistics().refused_rows == {"time_out_of_range": 3, "asset_refused": 1}
    assert caplog.text.count("more than a week ahead of the headend's clock") == 1


def heartbeat(uptime_ms: int) -> AgentMessage:
    return AgentMessage(heartbeat=Heartbeat(uptime_ms=uptime_ms))


def gap_report(number: int) -> AgentMessage:
    return AgentMessage(
        gap_report=GapReport(
            boot_id=7, number=number, revision=1, cause=GapCause.OVERFLOW, start_us=T0, end_us=T0
        )
    )

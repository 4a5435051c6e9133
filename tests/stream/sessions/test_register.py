"""Register: the rules that an agent is told, and who may hold an asset."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from grpclib import Status
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.dispatch import AgentReport
from derhead.sessions import SessionLimits, reception
from derhead.sessions.admission.register import read_reports
from derproto.der.v1 import DispatchReport, GoodbyeReason, GrantResult, HeadendMessage
from derproto.headend_rpc import SESSION
from tests.stream.sessions.bench import (
    A1,
    A2,
    SITE,
    UNKNOWN,
    Bench,
    receive,
    start_bench,
    status_of,
    telemetry,
)
from tests.stream.triogrpc.support import RawClient, request_headers
from tests.support.certificates import Certificates


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


async def test_no_register_within_ten_seconds(
    bench: Bench, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.stream() as stream:
        started = trio.current_time()
        status, message = await status_of(stream)
        assert status is Status.DEADLINE_EXCEEDED
        assert message == "no Register within 10 s"
        assert trio.current_time() - started == pytest.approx(10)
    assert bench.sessions.statistics().refused["no_register"] == 1
    (line,) = caplog.text.splitlines()
    said = 'level=warning event="stream ended before it registered" cause=no_register'
    assert f'{said} reason="no Register within 10 s" peer=' in line


async def test_a_stream_that_is_cut_before_it_registers_has_a_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.stream() as stream:
        await stream.cancel()
        await wait_all_tasks_blocked()
    (line,) = caplog.text.splitlines()
    said = 'event="stream ended before it registered" cause=connection_lost'
    assert f'{said} reason="the stream ended" peer=' in line


@pytest.mark.parametrize("over_tls", [False, True])
async def test_a_register_that_drips_is_no_register(
    over_tls: bool, nursery: trio.Nursery, tmp_path: Path, autojump_clock: MockClock
) -> None:
    certificates = Certificates.make(tmp_path) if over_tls else None
    bench = await start_bench(nursery, tls=None if certificates is None else certificates.server)
    link: trio.abc.Stream = await bench.network.connect("headend")
    if certificates is not None:
        context = certificates.client(["h2"])
        link = trio.SSLStream(link, context, server_hostname="localhost", https_compatible=True)
    raw = RawClient(link)
    # A message of 1 MiB begins, and then each second brings a byte of it.
    call = await raw.request(request_headers(path=SESSION.path), b"\0\0\x10\0\0", end=False)

    async def drip() -> None:
        while True:
            await trio.sleep(1)
            raw.h2.send_data(call, b"\n")
            await raw.flush()

    began = trio.current_time()
    with trio.fail_after(60):
        async with trio.open_nursery() as dripping:
            dripping.start_soon(drip)
            while bench.sessions.statistics().refused["no_register"] == 0:
                assert await raw.receive()
            dripping.cancel_scope.cancel()
    assert trio.current_time() - began <= 10.1
    await trio.aclose_forcefully(link)


async def test_the_log_tells_a_refusal_and_whom_it_met(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench.agent("not an id") as stream:
        status, reason = await status_of(stream)
    assert status is Status.INVALID_ARGUMENT
    (line,) = [line for line in caplog.text.splitlines() if "register refused" in line]
    said = 'level=warning event="register refused" cause=invalid_register'
    assert f'{said} reason="{reason}"' in line
    assert ' agent="not an id" ' in line
    assert " peer=" in line


async def test_the_log_tells_a_session_from_its_begin_to_its_end(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        async with bench.agent("x", A1) as stream:
            welcome = await receive(stream, "welcome")
            await stream.send_message(telemetry(1, 7))
            goodbye = await receive(stream, "goodbye")
    began, ended = (
        next(line for line in caplog.text.splitlines() if f'event="{event}"' in line)
        for event in ("agent connected", "agent disconnected")
    )
    for line in (began, ended):
        assert " agent=x " in line
        assert f" session={welcome.session_id} " in line
    assert f'reason="protocol error" detail="{goodbye.detail}"' in ended
    assert "level=warning" in ended
    assert "agent's clock is off" in caplog.text


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
    async with bench.welcomed("x", A1, dispatches=bad):
        pass
    (line,) = [line for line in caplog.text.splitlines() if "of register" in line]
    assert 'event="some reports of register cannot be read" unreadable=2000 reports=2000' in line
    assert "first=\"dispatch_report.dispatch_id: 'none' is not a UUID\"" in line


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

    monkeypatch.setattr(reception, "read_reports", read)
    nursery.start_soon(take_turns)
    async with bench.agent("x", A1, dispatches=[DispatchReport(dispatch_id="none")] * 2000):
        while sum(size for _, size in pieces) < 2000:
            await trio.lowlevel.checkpoint()
    assert max(size for _, size in pieces) == reception.REPORTS_A_TURN
    first, last = pieces[0][0], pieces[-1][0]
    # Trio shuffles the tasks of one turn, so the first and the last may each miss one.
    assert last - first >= len(pieces) - 3


async def test_an_unknown_site_is_warned_of(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async with bench.agent("x", A1, site_id=UNKNOWN) as stream:
        welcome = await receive(stream, "welcome")
    assert [grant.result for grant in welcome.assets] == [GrantResult.GRANTED]
    assert f'each asset is judged by itself" site={UNKNOWN} ' in caplog.text
    caplog.clear()
    async with bench.welcomed("y", A1, site_id=SITE):
        pass
    assert "site_id" not in caplog.text


async def test_a_second_stream_of_an_agent_wins(bench: Bench) -> None:
    async with bench.welcomed() as first:
        async with bench.welcomed() as second:
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
    async with bench.welcomed():
        pass


async def test_agents_that_come_at_once_wait_or_are_told_their_turn(
    nursery: trio.Nursery, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    bench = await start_bench(nursery, SessionLimits(registers_per_s=1))
    before = trio.current_time()
    told, welcomed_s = dict[str, float](), dict[str, float]()

    async def come(name: str) -> None:
        async with bench.agent(name, A1) as stream:
            message = await stream.recv_message()
            assert isinstance(message, HeadendMessage)
            if message.goodbye is None:
                welcomed_s[name] = trio.current_time() - before
                await trio.sleep_forever()
            assert message.goodbye.reason is GoodbyeReason.BUSY
            told[name] = message.goodbye.reconnect_after_ms / 1000
            status, text = await status_of(stream)
            assert status is Status.RESOURCE_EXHAUSTED
            assert "too many agents register at once; register again in" in str(text)

    for number in range(6):
        nursery.start_soon(come, f"agent-{number}")
        await wait_all_tasks_blocked()
    assert told == {"agent-3": 3, "agent-4": 4, "agent-5": 5}
    assert bench.sessions.statistics().waiting == 5
    await trio.sleep(2.5)
    assert welcomed_s == {"agent-0": 0, "agent-1": 1, "agent-2": 2}
    # The last one comes in its time, another one instead of the fourth: a turn is nobody else's.
    await trio.sleep(2.6)
    for name in ("agent-5", "stranger"):
        nursery.start_soon(come, name)
    await trio.sleep(0.5)
    assert welcomed_s["agent-5"] == pytest.approx(5.1)
    assert "stranger" not in welcomed_s
    statistics = bench.sessions.statistics()
    assert statistics.refused["busy"] == 3
    assert caplog.text.count("many agents register at once: they get turns") == 1
    assert "register refused" not in caplog.text
    assert "busy" not in str(bench.audited.entries)
    nursery.cancel_scope.cancel()


async def test_an_asset_of_a_live_agent_is_refused(bench: Bench) -> None:
    async with bench.agent("x", A1) as first, bench.agent("y", A1, A2) as second:
        await receive(first, "welcome")
        welcome = await receive(second, "welcome")
        assert [grant.result for grant in welcome.assets] == [
            GrantResult.ASSET_HELD,
            GrantResult.GRANTED,
        ]
        assert welcome.assets[0].detail == "held by x"

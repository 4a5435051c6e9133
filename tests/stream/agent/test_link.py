"""Sessions come and go: the agent always comes back, and not all at once."""

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventKind
from derproto.der import v1
from tests.stream.agent.conftest import Bench


async def test_reconnects_with_jitter_that_grows_to_a_bound(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend_leaves()
    await bench.start_agent()
    await trio.sleep(1000)
    waits = [float(d["retry_in_s"] or 0) for d in bench.details(EventKind.DISCONNECTED)]
    away_s = [sum(waits[:n]) for n in range(len(waits))]
    ceilings = [min(30.0, max(5.0, away / 4), 0.5 * 2**n) for n, away in enumerate(away_s)]
    assert all(wait <= ceiling + 0.01 for wait, ceiling in zip(waits, ceilings, strict=True))
    assert max(waits) > 20
    assert min(waits[-20:]) < 10
    attempts = [d["attempt"] for d in bench.details(EventKind.CONNECTING)]
    assert attempts == list(range(1, len(attempts) + 1))
    assert "refused" in str(bench.details(EventKind.DISCONNECTED)[0]["reason"])


async def test_a_healthy_minute_starts_the_backoff_anew(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend_leaves()
    await bench.start_agent()
    await trio.sleep(300)
    bench.headend_returns()
    await bench.headend.wait_session(1)
    await trio.sleep(61)
    bench.cut_link()
    before = trio.current_time()
    await bench.headend.wait_session(2)
    assert trio.current_time() - before < 0.5
    assert bench.details(EventKind.CONNECTING)[-1]["attempt"] == 2


async def test_goodbyes_hint_is_obeyed(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session()
    await trio.sleep(70)
    goodbye = v1.Goodbye(
        reason=v1.GoodbyeReason.DRAINING, detail="restarting", reconnect_after_ms=20_000
    )
    await session.send(v1.HeadendMessage(goodbye=goodbye))
    await bench.headend.wait_session(2)
    assert 90 <= trio.current_time() < 90.5
    ended = bench.details(EventKind.DISCONNECTED)[0]
    assert ended["reason"] == "goodbye: draining restarting"
    assert ended["lived_s"] == 70


async def test_waits_and_periods_of_weeks_are_shortened_to_an_hour(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.welcome.telemetry_period_ms = 2**32 - 1
    bench.headend.welcome.headend_silence_limit_ms = 2**32 - 1
    session = await bench.start_session()
    before = bench.devices[0].reads
    await trio.sleep(3700)
    assert bench.devices[0].reads > before
    goodbye = v1.Goodbye(reason=v1.GoodbyeReason.DRAINING, reconnect_after_ms=2**32 - 1)
    await session.send(v1.HeadendMessage(goodbye=goodbye))
    bench.headend.alive = False
    bench.headend.acks = False
    await trio.sleep(3700)
    assert len(bench.headend.sessions) == 2
    await trio.sleep(3700)
    assert len(bench.headend.sessions) == 3


async def test_an_agent_with_a_turn_comes_back_at_it(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend_leaves()
    await bench.start_agent()
    await trio.sleep(600)
    bench.headend_returns()
    session = await bench.headend.wait_session(1)
    before = trio.current_time()
    goodbye = v1.Goodbye(reason=v1.GoodbyeReason.BUSY, reconnect_after_ms=12_000)
    await session.send(v1.HeadendMessage(goodbye=goodbye))
    await bench.headend.wait_session(2)
    assert 12 <= trio.current_time() - before < 13
    assert str(bench.details(EventKind.DISCONNECTED)[-1]["reason"]) == "goodbye: busy"


async def test_a_goodbye_before_the_end_of_the_stream_is_heard_while_sending(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.welcome.telemetry_period_ms = 100
    session = await bench.start_session(assets=20)
    await trio.sleep(2)
    goodbye = v1.Goodbye(reason=v1.GoodbyeReason.DUPLICATE_ID, reconnect_after_ms=30_000)
    await session.send(v1.HeadendMessage(goodbye=goodbye))
    await session.stream.send_trailing_metadata()
    await trio.sleep(25)
    assert len(bench.headend.sessions) == 1
    assert bench.details(EventKind.DISCONNECTED)[0]["reason"] == "goodbye: duplicate_id"
    await bench.headend.wait_session(2)


async def test_a_silent_headend_is_given_up(autojump_clock: MockClock, bench: Bench) -> None:
    await bench.start_session()
    bench.headend.acks = False
    await trio.sleep(1001)
    assert len(bench.headend.sessions) == 1
    bench.headend.alive = False
    await bench.headend.wait_session(2)
    # The last Alive came at 1000 s.
    assert 1030 <= trio.current_time() < 1030.5
    ended = bench.details(EventKind.DISCONNECTED)[0]
    assert ended["reason"] == "headend silent for 30 s"


async def test_a_stalled_link_is_given_up_too(autojump_clock: MockClock, bench: Bench) -> None:
    await bench.start_session()
    await trio.sleep(65)
    bench.network.stall("headend", True)
    await trio.sleep(60)
    bench.network.stall("headend", False)
    await bench.headend.wait_session(2)
    assert bench.details(EventKind.DISCONNECTED)[0]["reason"] == "headend silent for 30 s"


async def test_a_headend_that_sends_no_welcome_is_left(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.welcomes = False
    await bench.start_agent()
    await trio.sleep(11)
    assert bench.details(EventKind.DISCONNECTED)[0]["reason"] == "no Welcome within 10 s"
    bench.headend.welcomes = True
    await bench.headend.wait_session(1)


async def test_periods_of_the_newest_welcome_apply(autojump_clock: MockClock, bench: Bench) -> None:
    bench.headend.welcome.telemetry_period_ms = 60_000
    await bench.start_session()
    await trio.sleep(5)
    bench.headend.welcome.telemetry_period_ms = 1000
    bench.cut_link()
    session = await bench.headend.wait_session(2)
    await trio.sleep(10)
    assert len(session.telemetry) == pytest.approx(10, abs=1)


async def test_stopping_ends_the_session_by_half_close(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session()
    await trio.sleep(10)
    bench.stopping.set()
    await bench.headend.wait_until(lambda: session.ended_s is not None)
    assert session.half_closed
    assert trio.current_time() == 10
    await trio.sleep(0.1)
    ended = bench.details(EventKind.DISCONNECTED)[0]
    assert (ended["reason"], ended["retry_in_s"]) == ("stopping", None)
    await trio.sleep(100)
    assert len(bench.headend.sessions) == 1


async def test_stopping_ends_the_wait_for_a_headend_that_is_down(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend_leaves()
    await bench.start_agent()
    await trio.sleep(100)
    bench.stopping.set()
    await trio.sleep(0.1)
    attempts = len(bench.details(EventKind.CONNECTING))
    await trio.sleep(100)
    assert len(bench.details(EventKind.CONNECTING)) == attempts


async def test_the_same_seed_gives_the_same_life(
    autojump_clock: MockClock, bench: Bench, other_bench: Bench
) -> None:
    await bench.start_agent(seed=7)
    await other_bench.start_agent(seed=7)
    for _ in range(5):
        await trio.sleep(50)
        bench.cut_link()
        other_bench.cut_link()
    await trio.sleep(50)
    assert len(bench.headend.sessions) == 6
    # Trio draws in which order devices are read that are due at once.
    assert bench.events == other_bench.events
    assert [s.readings() for s in bench.headend.sessions] == [
        s.readings() for s in other_bench.headend.sessions
    ]

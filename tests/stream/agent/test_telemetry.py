"""Samples on their way: prompt, never doubled, never lost while there is room, else counted."""

import math
from collections import Counter
from itertools import pairwise

import pytest
import trio
from trio.testing import MockClock

from deragent.event_lines import EventKind
from deragent.outbox import OutboxLimits
from derproto.der import v1
from tests.stream.agent.conftest import Bench
from tests.support.epoch import T0, S


async def test_register_has_all_that_the_contract_asks(
    autojump_clock: MockClock, bench: Bench
) -> None:
    register = (await bench.start_session(assets=2)).register
    assert register.agent_id == "agent-1"
    assert register.site_id == ""
    assert register.asset_ids == [
        "00000000-0000-4000-8000-000000000000",
        "00000000-0000-4000-8000-000000000001",
    ]
    assert register.software_version
    assert register.boot_id != 0
    assert register.clock_us == T0
    assert register.outbox == v1.Outbox()


async def test_measures_at_the_period_that_welcome_sets(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.welcome.telemetry_period_ms = 1000
    await bench.start_agent(assets=3)
    await trio.sleep(60)
    readings = bench.headend.session.readings()
    for index in range(3):
        at_us = [ts_us for _, asset_index, ts_us, _ in readings if asset_index == index]
        assert len(at_us) in (59, 60)
        steps = {after - before for before, after in pairwise(at_us)}
        # Microseconds are rounded.
        assert all(abs(step - 1_000_000) <= 1 for step in steps)


async def test_samples_arrive_as_they_are_measured(autojump_clock: MockClock, bench: Bench) -> None:
    session = await bench.start_session(assets=2)
    await trio.sleep(40)
    assert len(session.readings()) == 20
    for at, _, ts_us, p_mw in session.readings():
        assert (ts_us - T0) / S == pytest.approx(at, abs=0.001)
        assert p_mw == 0.0
    for _, telemetry in session.telemetry:
        assert set(telemetry.status) == {v1.OperatingState.RUNNING}
        assert not telemetry.soc
        assert not telemetry.quality
    assert session.seqs(backfill=False) == list(range(1, 21))
    assert bench.statistics.acked_rows == 20
    assert bench.statistics.outbox_rows == 0


async def test_the_samples_of_a_site_belong_to_one_moment(
    autojump_clock: MockClock, bench: Bench
) -> None:
    session = await bench.start_session(assets=4)
    await trio.sleep(400)
    moments = Counter(ts_us for _, _, ts_us, _ in session.readings())
    assert set(moments.values()) == {4}
    # One message carries them, unless the link takes the first before the last device has answered.
    assert len(session.telemetry) < 1.2 * len(moments)


async def test_heartbeats_tell_health_and_outbox(autojump_clock: MockClock, bench: Bench) -> None:
    bench.headend.acks = False
    session = await bench.start_session()
    await trio.sleep(61)
    assert [round(at) for at, _ in session.heartbeats] == [0, 30, 60]
    last = session.heartbeats[-1][1]
    assert last.uptime_ms == pytest.approx(60_000, abs=5)
    assert last.outbox is not None
    assert last.outbox.rows == 15
    assert last.outbox.newest_ts_us - last.outbox.oldest_ts_us == pytest.approx(56_000_000, abs=2)
    assert last.devices == [v1.DeviceHealth(asset_index=0, health=v1.Health.OK)]


async def test_a_device_that_fails_repeats_its_last_answer_flagged(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_session()
    await trio.sleep(8)
    bench.devices[0].mw = 1.0
    await trio.sleep(4)
    bench.devices[0].broken = True
    await trio.sleep(8)
    last = bench.headend.session.telemetry[-1][1]
    assert last.p_mw == [1.0]
    assert last.quality == [v1.QualityBit.STALE_DEVICE]
    assert bench.details(EventKind.DEVICE_UNREACHABLE)[0]["reason"] == "no answer on the bus"
    bench.devices[0].broken = False
    await trio.sleep(4)
    assert bench.headend.session.telemetry[-1][1].quality == []
    assert len(bench.details(EventKind.DEVICE_UNREACHABLE)) == 1
    assert len(bench.details(EventKind.DEVICE_BACK)) == 1


async def test_a_device_that_hangs_holds_up_no_other(
    autojump_clock: MockClock, bench: Bench
) -> None:
    await bench.start_agent(assets=2)
    bench.devices[0].hung = True
    await trio.sleep(60)
    by_index = {0: 0, 1: 0}
    for _, index, _, p_mw in bench.headend.session.readings():
        by_index[index] += 1
        if index == 0:
            assert math.isnan(p_mw)
    assert by_index[1] == 15
    # Each try takes the whole period, so every second point of the grid is left out.
    assert by_index[0] == 7


async def test_after_a_cut_link_nothing_is_lost_and_nothing_doubled(
    autojump_clock: MockClock, bench: Bench
) -> None:
    first = await bench.start_session(assets=2)
    await trio.sleep(30)
    bench.headend_leaves()
    await trio.sleep(120)
    bench.headend_returns()
    second = await bench.headend.wait_session(2)
    await trio.sleep(60)
    assert second.register.outbox is not None
    waiting = second.register.outbox.rows
    assert waiting == len(second.seqs(backfill=True)) >= 60
    received = first.seqs(backfill=False) + second.seqs(backfill=True) + second.seqs(backfill=False)
    assert sorted(received) == list(range(1, len(received) + 1))
    assert bench.statistics.samples == len(received)
    assert bench.statistics.outbox_rows == 0


async def test_unacknowledged_rows_are_sent_again_as_backfill(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.acks = False
    first = await bench.start_session()
    await trio.sleep(20)
    await first.ack(2, 3)
    await trio.sleep(0.1)
    bench.cut_link()
    bench.headend.acks = True
    second = await bench.headend.wait_session(2)
    await trio.sleep(10)
    assert first.seqs(backfill=False) == [1, 2, 3, 4, 5]
    assert second.seqs(backfill=True) == [1, 4, 5]
    original = {t.first_seq: t.ts_us for _, t in first.telemetry}
    resent = next(t for _, t in second.telemetry if t.backfill and t.first_seq == 1)
    assert resent.ts_us == original[1]
    assert second.seqs(backfill=False)[0] == 6
    assert bench.statistics.outbox_rows == 0


async def test_live_samples_do_not_wait_for_backfill(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.welcome.max_rows_per_message = 2
    bench.headend_leaves()
    await bench.start_agent(assets=5, backfill_rows_s=10)
    await trio.sleep(400)
    bench.headend_returns()
    session = await bench.headend.wait_session(1)
    await trio.sleep(8)
    backfill = [(at, t) for at, t in session.telemetry if t.backfill]
    live = [(at, t) for at, t in session.telemetry if not t.backfill]
    # Ten rows a second, two a message, oldest first.
    assert len(backfill) == pytest.approx(40, abs=2)
    assert session.seqs(backfill=True) == list(range(1, 2 * len(backfill) + 1))
    assert sum(len(telemetry.ts_us) for _, telemetry in live) == 10
    for at, telemetry in live:
        assert at - (telemetry.ts_us[0] - T0) / S < 0.001


async def test_the_outbox_is_bounded_and_says_what_it_lost(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend_leaves()
    await bench.start_agent(outbox=OutboxLimits(memory_rows=10))
    await trio.sleep(100)
    bench.headend_returns()
    session = await bench.headend.wait_session(1)
    await trio.sleep(20)
    assert session.register.outbox is not None
    assert session.register.outbox.rows == 10
    dropped = session.register.outbox.dropped_rows
    assert dropped >= 15
    assert session.seqs(backfill=True) == list(range(dropped + 1, dropped + 11))
    assert bench.statistics.dropped_rows == dropped
    assert len(bench.details(EventKind.OUTBOX_DROPPING)) == 1


async def test_a_refused_asset_is_reported_once_and_the_others_go_on(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.refused = {1: v1.GrantResult.UNKNOWN_ASSET}
    await bench.start_agent(assets=2)
    await trio.sleep(40)
    bench.cut_link()
    session = await bench.headend.wait_session(2)
    await trio.sleep(40)
    assert {t.asset_index[0] for _, t in session.telemetry if not t.backfill} == {0}
    told = bench.details(EventKind.ASSET_REFUSED)
    assert [(d["asset"], d["result"], d["reason"]) for d in told] == [
        ("battery-1", "unknown_asset", "not in the fleet")
    ]
    assert bench.statistics.skipped_samples >= 18

    bench.headend.refused = {}
    bench.cut_link()
    session = await bench.headend.wait_session(3)
    await trio.sleep(40)
    assert {t.asset_index[0] for _, t in session.telemetry} == {0, 1}
    assert [d["asset"] for d in bench.details(EventKind.ASSET_GRANTED)] == ["battery-1"]


async def test_rows_that_the_headend_refuses_are_dropped_and_counted(
    autojump_clock: MockClock, bench: Bench
) -> None:
    bench.headend.acks = False
    session = await bench.start_session()
    await trio.sleep(20)
    refused = v1.RefusedRange(
        rows=v1.SeqRange(first=1, last=3), reason=v1.RefusalReason.ASSET_REFUSED
    )
    ack = v1.TelemetryAck(boot_id=session.register.boot_id, refused=[refused])
    other_boot = v1.TelemetryAck(boot_id=1, durable=[v1.SeqRange(first=4, last=5)])
    await session.send(v1.HeadendMessage(telemetry_ack=ack))
    await session.send(v1.HeadendMessage(telemetry_ack=other_boot))
    await trio.sleep(0.1)
    assert bench.statistics.refused_rows == 3
    assert bench.statistics.outbox_rows == 2
    assert bench.statistics.gaps == 1

"""Session clock and messages: the pure parts of the uplink."""

import math
from typing import Any
from uuid import UUID

import pytest

from deragent.devices import Measurement
from deragent.outbox import Outbox, OutboxLimits, OutboxRow
from deragent.timelines.timed_orders import Report
from deragent.uplink import messages
from deragent.uplink.messages import (
    ranges,
    read_setpoint,
    write_outbox,
    write_report,
    write_telemetry,
)
from deragent.uplink.session_clock import DRIFT, SessionClock
from derproto.codec import decode_agent, encode_agent
from derproto.der import v1
from derproto.der.v1 import DispatchState, Suspension
from tests.support.epoch import T0


def test_session_time_counts_from_the_quickest_message() -> None:
    clock = SessionClock(100.4)
    assert clock.mono_s(10_000_000) == 110.4
    clock.heard(1_000_000, 101.1)
    assert clock.mono_s(10_000_000) == pytest.approx(110.1)
    clock.heard(2_000_000, 122.0)
    assert clock.mono_s(2_000_000) == pytest.approx(102.1, abs=21 * DRIFT)


@pytest.mark.parametrize("drift", [1 - DRIFT, 1 + DRIFT])
def test_session_time_follows_clocks_that_drift_apart(drift: float) -> None:
    clock = SessionClock(0.0)
    for tick in range(1, 1001):
        clock.heard(tick * 10_000_000, tick * 10 * drift)
    assert clock.mono_s(10_000_000_000) == pytest.approx(10_000 * drift, abs=0.001)


def test_a_fast_welcome_bounds_a_link_that_became_slow() -> None:
    clock = SessionClock(0.0)
    for tick in range(1, 1001):
        clock.heard(tick * 10_000_000, tick * 10 + 3.0)
        late_s = clock.mono_s(tick * 10_000_000) - tick * 10
        assert 0 <= late_s <= DRIFT * (tick * 10 + 3.0) + 1e-6


def test_the_delay_of_a_message_is_deducted_from_its_window() -> None:
    clock = SessionClock(100.0)
    setpoint = v1.Setpoint(
        dispatch_id="d1",
        mw=-1.5,
        priority=7,
        start_delay_us=2_000_000,
        remaining_us=60_000_000,
        sent_at_session_us=30_000_000,
        ramp_mw_per_s=0.1,
    )
    clock.heard(setpoint.sent_at_session_us, 145.0)
    order = read_setpoint(setpoint, clock)
    # Exact, except for the drift between the clocks in 45 s.
    assert order.start_s == pytest.approx(132.0, abs=0.005)
    assert order.end_s == order.start_s + 58.0
    assert (order.dispatch_id, order.mw, order.priority) == ("d1", -1.5, 7)
    assert order.ramp_mw_per_s == 0.1


@pytest.mark.parametrize("ramp", [None, 0.0, -1.0, math.nan])
def test_a_setpoint_without_end_or_ramp(ramp: float | None) -> None:
    order = read_setpoint(v1.Setpoint(ramp_mw_per_s=ramp), SessionClock(5.0))
    assert order.end_s is None
    assert order.ramp_mw_per_s is None


def test_columns_without_known_values_are_left_out() -> None:
    rows = [
        OutboxRow(7, 0, 1000, Measurement(p_mw=1.0, soc=0.5, status=v1.OperatingState.RUNNING)),
        OutboxRow(8, 1, 2000, Measurement(q_mvar=0.1), quality=4),
    ]
    written = write_telemetry(99, rows, backfill=True)
    message = v1.AgentMessage.parse(bytes(written)).telemetry
    assert message is not None
    assert (message.boot_id, message.first_seq, message.backfill) == (99, 7, True)
    assert (message.asset_index, message.ts_us) == ([0, 1], [1000, 2000])
    assert message.p_mw[0] == 1.0
    assert math.isnan(message.p_mw[1])
    assert math.isnan(message.q_mvar[0])
    assert message.q_mvar[1] == 0.1
    assert message.soc[0] == 0.5
    assert message.voltage_v == message.frequency_hz == []
    assert message.status == [v1.OperatingState.RUNNING, 0]
    assert message.quality == [0, 4]


def test_an_outbox_reports_its_range() -> None:
    outbox = Outbox(1, OutboxLimits(memory_rows=2))
    assert write_outbox(outbox) == v1.Outbox()
    for ts_us in (10, 20, 30):
        outbox.append(0, ts_us, Measurement(), now_s=0.0)
    assert write_outbox(outbox) == v1.Outbox(
        rows=2, oldest_ts_us=20, newest_ts_us=30, dropped_rows=1
    )


def test_the_detail_of_a_report_is_bounded() -> None:
    report = Report("d1", v1.DispatchState.FAILED, 5, detail="x" * 1000)
    assert len(write_report(0, report).detail) == 256


def test_ranges_skip_what_is_absent() -> None:
    assert ranges([v1.SeqRange(first=1, last=2), None]) == [(1, 2)]


# --- what a Register carries -----------------------------------------------------------------


def report(number: int, state: DispatchState, **more: Any) -> tuple[int, Report]:
    return 9999, Report(str(UUID(int=number)), state, T0 + number, **more)


def test_a_register_carries_all_that_is_held_and_what_ended_last() -> None:
    ended = [report(n, DispatchState.COMPLETED) for n in range(messages.REGISTER_REPORTS)]
    held = [report(n, DispatchState.RECEIVED) for n in range(10_000, 10_003)]
    assert messages.register_reports([*ended, *held]) == [*held, *reversed(ended[3:])]
    many = [report(n, DispatchState.STARTED) for n in range(messages.REGISTER_REPORTS + 1)]
    assert messages.register_reports([*ended, *many]) == many
    most = [many[0]] * (messages.HELD_REPORTS + 1)
    assert len(messages.register_reports(most)) == messages.HELD_REPORTS


@pytest.mark.parametrize(
    ("count", "longest"),
    [
        (
            messages.HELD_REPORTS,
            report(
                1,
                DispatchState.STARTED,
                applied_mw=-1.25,
                detail="suspended: the headend is silent",
                suspended=Suspension.LINK_SILENT,
                interrupted_us=7 * 86_400_000_000,
                revision=1000,
            ),
        ),
        (
            messages.REGISTER_REPORTS,
            report(
                1,
                DispatchState.SUPERSEDED,
                applied_mw=-1.25,
                detail="x" * 300,
                superseded_by=str(UUID(int=2)),
                interrupted_us=7 * 86_400_000_000,
                revision=1000,
            ),
        ),
    ],
)
def test_the_longest_register_is_a_message_that_the_headend_takes(
    count: int, longest: tuple[int, Report]
) -> None:
    longest_report = messages.write_report(*longest)
    register = v1.Register(
        agent_id="a" * 64,
        asset_ids=[str(UUID(int=1))] * 1000,
        software_version="v" * 64,
        boot_id=1,
        clock_us=1,
        dispatches=[longest_report] * count,
    )
    body = encode_agent(v1.AgentMessage(register=register))
    assert len(body) < 2**20
    assert decode_agent(body) == v1.AgentMessage(register=register)

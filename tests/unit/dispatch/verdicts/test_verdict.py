"""Verdicts from readings."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.transitions import State
from derhead.dispatch.verdicts.verdict import (
    LONGEST_US,
    Deviation,
    Latency,
    MeasuredTime,
    Verdict,
    VerdictOutcome,
    judge,
    latency,
    measured_time,
    verdict_text,
)
from tests.support.assets import make_asset
from tests.support.epoch import T0, S

GAP_US = 10 * S
ASSET = make_asset()
"""Its tolerance is 5 % of 2 MW: 0.1 MW."""


def lived(*states: tuple[State, float], **changes: object) -> Dispatch:
    """A dispatch of 1 MW for a minute that came to each state after so many seconds."""
    lines = tuple(StateChange(state, T0 + round(at_s * S)) for state, at_s in states)
    dispatch = Dispatch(
        id="d",
        asset_id="a",
        mw=1.0,
        created_us=T0,
        start_us=T0,
        duration_us=60 * S,
        state=lines[-1].state,
        states=lines,
    )
    return replace(dispatch, **changes)  # type: ignore[arg-type]


USUAL = (
    (State.PENDING, 0.0),
    (State.SENT, 0.001),
    (State.RECEIVED, 0.01),
    (State.STARTED, 0.02),
    (State.COMPLETED, 60.01),
)


def verdict(*readings: tuple[float, float | None], dispatch: Dispatch | None = None) -> Verdict:
    """Of readings as (seconds, MW), in any order."""
    dispatch = lived(*USUAL) if dispatch is None else dispatch
    span = measured_time(dispatch, T0 + 3600 * S)
    assert span is not None
    deviation = Deviation(span, dispatch.mw, tolerance_mw=0.1, gap_us=GAP_US)
    for at_s, p_mw in sorted(readings, key=lambda reading: -reading[0]):
        deviation.take(T0 + round(at_s * S), p_mw)
    deviation.close()
    return judge(dispatch, ASSET, deviation)


def every_4_s(p_mw: float, from_s: int = 2, to_s: int = 60) -> list[tuple[float, float]]:
    return [(at_s, p_mw) for at_s in range(from_s, to_s, 4)]


# --- latency ------------------------------------------------------------------------------


def test_latency_counts_from_the_order() -> None:
    assert latency(lived(*USUAL)) == Latency(1.0, 10.0, 20.0)


def test_sent_has_no_latency_while_it_is_the_newest_state() -> None:
    assert latency(lived(*USUAL[:2])) == Latency()
    again = lived(*USUAL[:2], (State.PENDING, 5), (State.SENT, 9))
    assert latency(again) == Latency(1.0)


def test_started_counts_from_the_start_of_a_later_window() -> None:
    ahead = lived(*USUAL[:3], (State.STARTED, 30.05), start_us=T0 + 30 * S)
    assert latency(ahead) == Latency(1.0, 10.0, 50.0)


def test_the_first_time_in_a_state_counts() -> None:
    again = lived(*USUAL[:2], (State.PENDING, 5), (State.SENT, 9), (State.STARTED, 9.5))
    assert latency(again) == Latency(1.0, None, 9500.0)


def test_a_state_never_reached_has_no_latency() -> None:
    assert latency(lived((State.PENDING, 0), (State.EXPIRED, 900))) == Latency()


# --- the time that is measured --------------------------------------------------------------


def test_a_dispatch_is_measured_from_started_to_the_end_of_its_window() -> None:
    assert measured_time(lived(*USUAL), T0) == MeasuredTime(T0 + 20_000, T0 + 60 * S)
    early = lived(*USUAL[:4], (State.SUPERSEDED, 12))
    assert measured_time(early, T0) == MeasuredTime(T0 + 20_000, T0 + 12 * S)


def test_a_running_dispatch_is_measured_up_to_now() -> None:
    running = lived(*USUAL[:4])
    assert measured_time(running, T0 + 7 * S) == MeasuredTime(T0 + 20_000, T0 + 7 * S)
    assert measured_time(running, T0 + 700 * S) == MeasuredTime(T0 + 20_000, T0 + 60 * S)


def test_a_dispatch_is_measured_over_its_last_week_at_most() -> None:
    now_us = T0 + 2 * LONGEST_US
    span = measured_time(lived(*USUAL[:4], duration_us=None), now_us)
    assert span == MeasuredTime(now_us - LONGEST_US, now_us, whole=False)


@pytest.mark.parametrize("at_s", [0.02, 60, 90])
def test_a_dispatch_that_never_started_or_ended_at_once_is_not_measured(at_s: float) -> None:
    assert measured_time(lived((State.PENDING, 0), (State.CANCELLED, 1)), T0) is None
    late = lived((State.PENDING, 0), (State.STARTED, max(at_s, 0.02)), (State.COMPLETED, at_s))
    assert measured_time(late, T0) is None


# --- the verdict ----------------------------------------------------------------------------


def test_a_setpoint_that_is_held_is_achieved() -> None:
    found = verdict(*every_4_s(1.02))
    assert found.outcome is VerdictOutcome.ACHIEVED
    assert found.mean_error_mw == pytest.approx(0.02)
    assert found.within_tolerance_ms == pytest.approx(1980)
    assert (found.covered, found.samples) == (1.0, 15)
    assert found.latency == Latency(1.0, 10.0, 20.0)
    assert found.tolerance_mw == pytest.approx(0.1)


def test_the_approach_counts_in_the_mean_but_not_for_the_outcome() -> None:
    found = verdict((2, 0.0), (6, 0.4), *every_4_s(1.0, from_s=10))
    assert found.outcome is VerdictOutcome.ACHIEVED
    assert found.within_tolerance_ms == pytest.approx(9980)
    # 2 s at 1, then straight to 0.6 and to 0, over nearly a minute.
    assert found.mean_error_mw == pytest.approx((1.98 + 4 * 0.8 + 4 * 0.3) / 59.98)
    assert found.held_error_mw == pytest.approx(0.0)


def test_a_setpoint_never_reached_is_deviating() -> None:
    found = verdict(*every_4_s(0.8))
    assert found.outcome is VerdictOutcome.DEVIATING
    assert found.within_tolerance_ms is None
    assert found.held_error_mw is None
    assert found.mean_error_mw == pytest.approx(0.2)


def test_a_setpoint_left_again_is_deviating() -> None:
    assert verdict((2, 1.0), *every_4_s(0.0, from_s=6)).outcome is VerdictOutcome.DEVIATING


def test_a_setpoint_reached_too_late_is_deviating() -> None:
    found = verdict(*every_4_s(0.0, to_s=54), (54, 1.0), (58, 1.0))
    assert found.held_error_mw == pytest.approx(0.0)
    assert found.outcome is VerdictOutcome.DEVIATING


def test_too_much_does_not_make_up_for_too_little() -> None:
    swinging = [(at_s, 1.3 if at_s % 8 else 0.7) for at_s in range(0, 60, 4)]
    found = verdict((1, 1.0), *swinging)
    assert found.outcome is VerdictOutcome.DEVIATING
    assert found.mean_error_mw == pytest.approx(0.3, abs=0.02)


def test_one_reading_covers_a_short_window() -> None:
    short = lived(*USUAL[:4], (State.COMPLETED, 5.01), duration_us=5 * S)
    found = verdict((4, 1.0), dispatch=short)
    assert (found.outcome, found.samples, found.covered) == (VerdictOutcome.ACHIEVED, 1, 1.0)


def test_time_without_readings_does_not_count() -> None:
    found = verdict(*every_4_s(1.0, to_s=24), *every_4_s(1.0, from_s=46))
    assert found.outcome is VerdictOutcome.ACHIEVED
    assert found.covered == pytest.approx(1 - 24 / 59.98)
    assert verdict(*every_4_s(1.0, to_s=24)).outcome is VerdictOutcome.UNMEASURED


def test_readings_outside_the_time_or_unknown_do_not_count() -> None:
    found = verdict((0.01, 9.0), (60, 9.0), (61, 9.0), (3, None), (4, float("nan")))
    assert (found.outcome, found.samples, found.mean_error_mw) == (
        VerdictOutcome.UNMEASURED,
        0,
        None,
    )


def test_a_dispatch_that_never_started_is_unmeasured_with_its_latencies() -> None:
    found = judge(lived(*USUAL[:2], (State.REJECTED, 0.5)), ASSET, None)
    assert (found.outcome, found.latency) == (VerdictOutcome.UNMEASURED, Latency(1.0, None, None))


def test_the_start_of_the_last_week_gives_no_time_to_tolerance() -> None:
    dispatch = lived(*USUAL[:4], duration_us=None)
    deviation = Deviation(
        MeasuredTime(T0, T0 + 8 * S, whole=False), 1.0, tolerance_mw=0.1, gap_us=GAP_US
    )
    deviation.take(T0 + 4 * S, 1.0)
    deviation.close()
    found = judge(dispatch, ASSET, deviation, final=False)
    assert (found.outcome, found.within_tolerance_ms) == (VerdictOutcome.ACHIEVED, None)
    assert not found.final


def test_a_verdict_is_written_as_json() -> None:
    assert json.loads(verdict_text(verdict(*every_4_s(1.0)))) == {
        "outcome": "achieved",
        "sent_ms": 1.0,
        "received_ms": 10.0,
        "started_ms": 20.0,
        "tolerance_mw": 0.1,
        "within_tolerance_ms": 1980.0,
        "mean_error_mw": 0.0,
        "held_error_mw": 0.0,
        "covered": 1.0,
        "samples": 15,
        "final": True,
    }


readings = st.lists(
    st.tuples(st.floats(-5, 70), st.floats(-3, 3) | st.none() | st.just(float("nan"))),
    max_size=40,
)


@given(readings)
def test_a_verdict_is_sound_whatever_the_readings(
    given_readings: list[tuple[float, float]],
) -> None:
    found = verdict(*given_readings)
    assert 0.0 <= found.covered <= 1.0 + 1e-9
    errors = [abs(p - 1.0) for at, p in given_readings if p is not None and 0.02 <= at < 60]
    known = [error for error in errors if error == error]
    assert found.samples <= len(known) + 1
    if found.mean_error_mw is not None:
        assert min(known) - 1e-9 <= found.mean_error_mw <= max(known) + 1e-9
    if found.outcome is VerdictOutcome.ACHIEVED:
        assert found.covered >= 0.5
        assert min(known) <= 0.1 + 1e-6
    json.loads(verdict_text(found), parse_constant=pytest.fail)

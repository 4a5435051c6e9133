"""The response of a device: late by its dead time, no faster than its ramp, and in its steps."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.response import MOST_WAITING, Response, ResponseLaw

LAWS = st.builds(
    ResponseLaw,
    dead_time_s=st.sampled_from([0.0, 2.5, 30.0]),
    open_loop_response_s=st.sampled_from([0.0, 5.0, 60.0]),
    ramp_mw_per_s=st.sampled_from([None, 0.01, 0.5]),
    resolution_mw=st.sampled_from([0.0, 0.1, 0.3]),
    deadband_mw=st.sampled_from([0.0, 0.05]),
)
POWERS = st.floats(-2, 2)
RAMPS = st.none() | st.floats(0.01, 1)
TOLD = st.lists(st.tuples(st.floats(0, 60), st.none() | POWERS, RAMPS), max_size=8)
TIMES = st.sampled_from([0.0, 2.5, 30.0]) | st.floats(0, 120)
OWN_MW = 0.25
"""The power of the device's own control."""


class Device:
    """A device that follows what its response lets through."""

    def __init__(self, law: ResponseLaw) -> None:
        self.response = Response(law)
        self.p_mw = OWN_MW

    def wait(self, dt_s: float) -> None:
        self.response, command_mw = self.response.step(dt_s, self.p_mw, OWN_MW)
        self.p_mw = OWN_MW if command_mw is None else command_mw

    def tell(self, mw: float | None, ramp_mw_per_s: float | None = None) -> float | None:
        self.response = self.response.told(mw, ramp_mw_per_s)
        return self.response.held_mw


def device_after(law: ResponseLaw, told: list[tuple[float, float | None, float | None]]) -> Device:
    device = Device(law)
    for dt_s, mw, ramp_mw_per_s in told:
        device.tell(mw, ramp_mw_per_s)
        device.wait(dt_s)
    return device


@settings(max_examples=25)
@given(LAWS, TOLD, TIMES)
def test_power_stays_between_what_was_told_and_keeps_the_ramp(
    law: ResponseLaw, told: list[tuple[float, float | None, float | None]], dt_s: float
) -> None:
    device = device_after(law, told)
    before_mw = device.p_mw
    device.wait(dt_s)
    reach = [OWN_MW, *(mw for _, mw, _ in told if mw is not None)]
    assert min(reach) - 0.3 <= device.p_mw <= max(reach) + 0.3
    if law.ramp_mw_per_s is not None:
        assert abs(device.p_mw - before_mw) <= law.ramp_mw_per_s * dt_s + 2e-5


@settings(max_examples=25)
@given(LAWS, TOLD, TIMES, TIMES)
def test_a_step_equals_its_parts(
    law: ResponseLaw,
    told: list[tuple[float, float | None, float | None]],
    first_s: float,
    then_s: float,
) -> None:
    once, parts = device_after(law, told), device_after(law, told)
    once.wait(first_s + then_s)
    parts.wait(first_s)
    parts.wait(then_s)
    # A device that is released arrives with a jump of at most 10 W.
    assert parts.p_mw == pytest.approx(once.p_mw, abs=2e-5)


@settings(max_examples=25)
@given(LAWS, POWERS, RAMPS)
def test_nothing_happens_within_the_dead_time(
    law: ResponseLaw, mw: float, ramp_mw_per_s: float | None
) -> None:
    device = Device(replace(law, dead_time_s=30.0))
    device.tell(mw, ramp_mw_per_s)
    device.wait(29.9)
    assert device.p_mw == OWN_MW
    device.wait(3600.0)
    assert device.p_mw == pytest.approx(device.response.held_mw)


@settings(max_examples=25)
@given(POWERS)
def test_nine_tenths_of_a_change_take_the_open_loop_response_time(mw: float) -> None:
    device = Device(ResponseLaw(dead_time_s=2.0, open_loop_response_s=10.0))
    device.tell(mw)
    device.wait(12.0)
    assert device.p_mw - OWN_MW == pytest.approx(0.9 * (mw - OWN_MW))


@settings(max_examples=25)
@given(LAWS, POWERS, POWERS)
def test_a_taken_setpoint_is_near_the_one_that_was_told(
    law: ResponseLaw, first_mw: float, then_mw: float
) -> None:
    held_mw = law.taken(first_mw, None)
    assert abs(held_mw) <= abs(first_mw) + 1e-9
    taken_mw = law.taken(then_mw, held_mw)
    assert abs(taken_mw - then_mw) <= law.resolution_mw + law.deadband_mw + 1e-9
    # A device told twice stays as it is.
    assert law.taken(taken_mw, taken_mw) == taken_mw


def test_a_lag_bends_off_its_ramp() -> None:
    device = Device(ResponseLaw(open_loop_response_s=10 * math.log(10), ramp_mw_per_s=0.1))
    device.tell(OWN_MW + 2.0)
    # The time constant is 10 s: from 1 MW before the end the lag is slower than the ramp.
    device.wait(10.0)
    assert device.p_mw == pytest.approx(OWN_MW + 1.0)
    device.wait(10.0)
    assert device.p_mw == pytest.approx(OWN_MW + 2.0 - 1 / math.e)


def test_setpoints_are_taken_in_steps_and_beyond_the_deadband() -> None:
    law = ResponseLaw(resolution_mw=0.1, deadband_mw=0.15)
    assert law.taken(0.3, None) == pytest.approx(0.3)
    assert law.taken(-0.39, None) == pytest.approx(-0.3)
    assert law.taken(0.49, 0.3) == 0.3
    assert law.taken(0.5, 0.3) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("mw", "ramp_mw_per_s", "expected"),
    [
        (1.0, None, [1.0, 1.0, 1.0]),
        (1.25, 0.1, [0.25, 0.75, 1.25]),
        (-1.75, 0.2, [0.25, -0.75, -1.75]),
    ],
)
def test_a_command_ramps_from_where_the_device_was(
    mw: float, ramp_mw_per_s: float | None, expected: list[float]
) -> None:
    device = Device(ResponseLaw())
    device.tell(mw, ramp_mw_per_s)
    powers = []
    for dt_s in (0.0, 5.0, 5.0):
        device.wait(dt_s)
        powers.append(device.p_mw)
    assert powers == pytest.approx(expected)


def test_a_released_device_returns_as_slowly() -> None:
    device = Device(ResponseLaw(ramp_mw_per_s=0.1))
    device.tell(1.25)
    device.wait(60.0)
    device.tell(None)
    device.wait(4.0)
    assert device.p_mw == pytest.approx(0.85)
    device.wait(7.0)
    assert (device.p_mw, device.response.returning) == (OWN_MW, False)


def test_waiting_setpoints_are_bounded() -> None:
    device = Device(ResponseLaw(dead_time_s=60.0))
    for number in range(2 * MOST_WAITING):
        device.tell(number / 100)
    assert len(device.response.waiting) == MOST_WAITING
    device.wait(60.0)
    assert device.p_mw == (2 * MOST_WAITING - 1) / 100

"""A battery conserves energy, keeps its limits, and does not care how often it is read."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.models import Battery, Inputs, Output
from derproto.der.v1 import OperatingState

RATED_MW = 2.0
BATTERIES = st.builds(
    Battery,
    rated_mw=st.just(RATED_MW),
    energy_mwh=st.floats(0.5, 10),
    soc=st.floats(0, 1),
    charge_efficiency=st.floats(0.5, 1),
    discharge_efficiency=st.floats(0.5, 1),
    taper=st.sampled_from([0.0, 0.05, 0.5]),
    self_discharge_per_day=st.sampled_from([0.0, 0.01]),
)
COMMANDS = st.none() | st.floats(-3, 3)
TIMES = st.floats(0, 7200)


def step(battery: Battery, dt_s: float, command_mw: float | None) -> tuple[Battery, Output]:
    return battery.step(Inputs(dt_s, 0.0, command_mw))


def run(battery: Battery, seconds: int, command_mw: float) -> tuple[Battery, float]:
    """The battery after so many seconds, and the energy that it delivered, MWh."""
    _, output = step(battery, 0.0, command_mw)
    delivered_mwh = 0.0
    for _ in range(seconds):
        before_mw = output.p_mw
        battery, output = step(battery, 1.0, command_mw)
        delivered_mwh += (before_mw + output.p_mw) / 2 / 3600
    return battery, delivered_mwh


@settings(max_examples=25)
@given(BATTERIES, st.lists(st.tuples(TIMES, COMMANDS), max_size=20))
def test_charge_and_power_stay_in_their_limits(
    battery: Battery, steps: list[tuple[float, float | None]]
) -> None:
    for dt_s, command_mw in steps:
        battery, output = step(battery, dt_s, command_mw)
        assert 0 <= battery.soc <= 1
        assert output.soc == battery.soc
        assert abs(output.p_mw) <= min(RATED_MW, abs(command_mw or 0.0))
        left = battery.soc if output.p_mw > 0 else 1 - battery.soc
        if battery.taper:
            assert abs(output.p_mw) <= RATED_MW * left / battery.taper + 1e-9


@settings(max_examples=25)
@given(BATTERIES, st.floats(-2, 2), st.integers(1, 300))
def test_energy_is_conserved(battery: Battery, command_mw: float, seconds: int) -> None:
    battery = replace(battery, self_discharge_per_day=0.0)
    after, delivered_mwh = run(battery, seconds, command_mw)
    given_up_mwh = (battery.soc - after.soc) * battery.energy_mwh
    factor = battery.discharge_efficiency if command_mw > 0 else 1 / battery.charge_efficiency
    # A trapezoid differs from the curve at the knee, and in the second of a sudden end.
    assert delivered_mwh == pytest.approx(given_up_mwh * factor, rel=1e-3, abs=RATED_MW / 3600)


@settings(max_examples=25)
@given(BATTERIES, TIMES, TIMES, COMMANDS)
def test_a_step_equals_its_parts(
    battery: Battery, first_s: float, then_s: float, command_mw: float | None
) -> None:
    once, output = step(battery, first_s + then_s, command_mw)
    parts, of_parts = step(step(battery, first_s, command_mw)[0], then_s, command_mw)
    # The loss is taken before the power: within these hours it moves the charge by 0.002 at most.
    tolerance = 2e-3 if battery.self_discharge_per_day else 1e-9
    assert parts.soc == pytest.approx(once.soc, abs=tolerance)
    if battery.taper:
        assert of_parts.p_mw == pytest.approx(output.p_mw, abs=RATED_MW * tolerance / battery.taper)


@settings(max_examples=25)
@given(BATTERIES, TIMES)
def test_without_a_command_it_only_loses(battery: Battery, dt_s: float) -> None:
    after, output = step(battery, dt_s, None)
    kept = (1 - battery.self_discharge_per_day) ** (dt_s / 86_400)
    assert after.soc == pytest.approx(battery.soc * kept)
    assert (output.p_mw, output.status) == (0.0, OperatingState.STANDBY)


def test_it_gives_back_what_its_round_trip_leaves() -> None:
    empty = Battery(RATED_MW, 1.0, soc=0.0, charge_efficiency=0.9, discharge_efficiency=0.9)
    full, charged_mwh = run(empty, 3600, -RATED_MW)
    assert full.soc == 1.0
    assert charged_mwh == pytest.approx(-1 / 0.9, rel=0.01)
    drained, discharged_mwh = run(full, 3600, RATED_MW)
    assert drained.soc == 0.0
    assert discharged_mwh / -charged_mwh == pytest.approx(0.81, rel=0.01)


def test_it_stops_when_empty_and_when_full() -> None:
    assert step(Battery(RATED_MW, 4.0, soc=0.0), 1.0, 1.0)[1].p_mw == 0.0
    assert step(Battery(RATED_MW, 4.0, soc=1.0), 1.0, -1.0)[1].p_mw == 0.0
    _, output = step(Battery(RATED_MW, 4.0, soc=1.0), 1.0, 1.0)
    assert (output.p_mw, output.status) == (1.0, OperatingState.RUNNING)


def test_it_reaches_the_knee_at_full_power_and_then_slows_down() -> None:
    battery = Battery(RATED_MW, 2.0, soc=0.5, taper=0.25)
    # Full after half an hour, were it not for the knee at 0.75, after a quarter.
    once, output = step(battery, 1800.0, -2.0)
    assert once.soc == pytest.approx(1 - 0.25 / math.e)
    assert output.p_mw == pytest.approx(-2.0 / math.e)


def test_power_falls_in_proportion_to_the_room_that_is_left() -> None:
    nearly_full = Battery(RATED_MW, 4.0, soc=0.95, taper=0.1)
    assert step(nearly_full, 0.0, -2.0)[1].p_mw == pytest.approx(-1.0)
    assert step(nearly_full, 0.0, -0.5)[1].p_mw == -0.5
    assert step(nearly_full, 0.0, 2.0)[1].p_mw == 2.0

"""A step response in figures: known laws are found again."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.acceptance.step_measures import StepMeasures, measure_step, slowest
from tests.unit.commissioning.plant import Plant

DT = 0.25


def response_of(plant: Plant, to_mw: float, seconds: float) -> StepMeasures | None:
    from_mw = plant.power(10.0)
    plant.tell(to_mw, 10.0)
    points = [(10 + n * DT, plant.power(10 + n * DT)) for n in range(1, int(seconds / DT))]
    return measure_step(
        10.0, points, from_mw=from_mw, target_mw=to_mw, band_mw=0.05 * abs(to_mw), steady_s=1.0
    )


@settings(deadline=None, max_examples=60)
@given(
    st.floats(0, 5),
    st.floats(1.0, 8.0),
    st.sampled_from([-3.0, 2.0, 0.5]),
    st.sampled_from([-1.0, 0.0, 1.0]),
)
def test_dead_time_and_time_constant_of_a_first_order_law_are_found(
    dead_s: float, constant_s: float, to_mw: float, own_mw: float
) -> None:
    plant = Plant(own_mw, dead_time_s=dead_s, time_constant_s=constant_s)
    found = response_of(plant, to_mw, dead_s + 12 * constant_s)
    assert found is not None
    assert found.dead_time_s == pytest.approx(dead_s, abs=DT)
    assert found.time_constant_s == pytest.approx(constant_s, abs=DT)
    assert found.to_90_s == pytest.approx(dead_s + math.log(10) * constant_s, abs=DT)
    assert found.to_63_s <= found.to_90_s
    assert found.overshoot_mw == pytest.approx(0, abs=1e-3)
    if own_mw == 0.0:
        assert found.settling_s == pytest.approx(dead_s + math.log(20) * constant_s, abs=2 * DT)


def test_a_ramp_is_found() -> None:
    found = response_of(Plant(ramp_mw_per_s=0.2), 2.0, 20.0)
    assert found is not None
    assert found.ramp_mw_per_s == pytest.approx(0.2, rel=0.01)


def test_what_is_faster_than_the_readings_has_no_ramp() -> None:
    found = response_of(Plant(), -2.0, 10.0)
    assert found is not None
    assert found.ramp_mw_per_s is None
    assert found.to_90_s <= found.resolution_s == DT


def test_overshoot_and_settling_are_told() -> None:
    points = [(1.0, 0.0), (2.0, 2.6), (3.0, 1.8), (4.0, 2.01), *((n, 2.0) for n in range(5, 9))]
    found = measure_step(0.0, points, from_mw=0.0, target_mw=2.0, band_mw=0.1, steady_s=3.0)
    assert found is not None
    assert found.overshoot_mw == pytest.approx(0.6)
    assert found.settling_s == 4.0


def test_a_power_that_does_not_move_has_no_response() -> None:
    points = [(n * DT, 1.0 + 0.001 * (n % 2)) for n in range(20)]
    found = measure_step(
        0.0, points, from_mw=1.0, target_mw=2.0, band_mw=0.1, steady_s=1.0, noise_mw=0.001
    )
    assert found is None
    assert slowest([]) is None

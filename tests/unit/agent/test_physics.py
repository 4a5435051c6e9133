"""Simulated devices: energy and power stay plausible whatever the commands."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.drivers.simulation.physics import (
    Battery,
    EvCharger,
    Generator,
    Inputs,
    Load,
    Model,
    Solar,
    drift,
)
from deragent.drivers.simulation.ramp import Ramp
from derproto.der.v1 import OperatingState

RATED_MW = 2.0
MODELS: list[Model] = [
    Solar(RATED_MW),
    Battery(RATED_MW, energy_mwh=4.0, soc=0.5),
    Load(RATED_MW),
    EvCharger(RATED_MW),
    Generator(RATED_MW, ramp_mw_per_s=0.1),
]

STEPS = st.lists(
    st.builds(
        Inputs,
        dt_s=st.floats(0, 4000),
        day_s=st.floats(0, 86_399),
        command_mw=st.none() | st.floats(-3, 3),
        gauss=st.floats(-5, 5),
        uniform=st.floats(0, 1),
    ),
    max_size=30,
)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
@given(steps=STEPS)
def test_no_model_leaves_its_rating_or_its_energy(model: Model, steps: list[Inputs]) -> None:
    for inputs in steps:
        model, output = model.step(inputs)
        assert abs(output.p_mw) <= RATED_MW
        assert output.soc is None or 0 <= output.soc <= 1
        if isinstance(model, Solar | Generator):
            assert output.p_mw >= 0
        if isinstance(model, Load | EvCharger):
            assert output.p_mw <= 0


def run(model: Model, seconds: int, command_mw: float | None) -> tuple[Model, float]:
    """The model after so many seconds, and the energy that it delivered, MWh."""
    energy_mwh = 0.0
    for _ in range(seconds):
        model, output = model.step(Inputs(1.0, 43_200, command_mw))
        energy_mwh += output.p_mw / 3600
    return model, energy_mwh


def test_a_battery_gives_back_what_its_round_trip_leaves() -> None:
    empty = Battery(RATED_MW, energy_mwh=1.0, soc=0.0, efficiency=0.81)
    full, charged_mwh = run(empty, 3600, -RATED_MW)
    assert isinstance(full, Battery)
    assert full.soc == 1.0
    assert charged_mwh == pytest.approx(-1 / 0.9, rel=0.01)
    drained, discharged_mwh = run(full, 3600, RATED_MW)
    assert isinstance(drained, Battery)
    assert drained.soc == 0.0
    assert discharged_mwh / -charged_mwh == pytest.approx(0.81, rel=0.01)


def test_a_battery_stops_when_empty_and_when_full() -> None:
    _, output = Battery(RATED_MW, 4.0, soc=0.0).step(Inputs(1, 0, 1.0))
    assert (output.p_mw, output.status) == (0.0, OperatingState.STANDBY)
    _, output = Battery(RATED_MW, 4.0, soc=1.0).step(Inputs(1, 0, -1.0))
    assert output.p_mw == 0.0
    _, output = Battery(RATED_MW, 4.0, soc=1.0).step(Inputs(1, 0, 1.0))
    assert (output.p_mw, output.status) == (1.0, OperatingState.RUNNING)


def test_the_sun_rises_peaks_at_noon_and_is_curtailed() -> None:
    solar = Solar(RATED_MW)
    day = [solar.step(Inputs(0, hour * 3600.0, None))[1] for hour in range(24)]
    assert max(range(24), key=lambda hour: day[hour].p_mw) == 19
    assert day[19].p_mw == pytest.approx(RATED_MW)
    assert [hour for hour in range(24) if day[hour].p_mw == 0] == list(range(1, 14))
    _, output = solar.step(Inputs(0, 19 * 3600, 0.5))
    assert (output.p_mw, output.status) == (0.5, OperatingState.CURTAILED)
    _, output = solar.step(Inputs(0, 19 * 3600, 5.0))
    assert output.status is OperatingState.RUNNING


def test_a_load_peaks_in_the_evening_and_sheds_when_told() -> None:
    load = Load(RATED_MW)
    day = [load.step(Inputs(0, hour * 3600.0, None))[1].p_mw for hour in range(24)]
    assert min(range(24), key=lambda hour: day[hour]) == 1
    _, output = load.step(Inputs(0, 3600, -0.1))
    assert (output.p_mw, output.status) == (-0.1, OperatingState.CURTAILED)


def test_a_charger_serves_one_vehicle_after_another() -> None:
    charger: Model = EvCharger(RATED_MW, idle_s=60)
    states = []
    for _ in range(4 * 3600):
        charger, output = charger.step(Inputs(1.0, 0, None, uniform=0.5))
        states.append(output.status)
    assert states[:59] == [OperatingState.STANDBY] * 59
    assert states[60] is OperatingState.RUNNING
    changes = sum(a is not b for a, b in pairwise(states))
    # Half an hour's charge, 35 minutes' wait, and again.
    assert changes == 8


def test_a_charger_told_to_wait_keeps_the_vehicle() -> None:
    plugged = replace(EvCharger(RATED_MW), idle_s=0.0, need_mwh=1.0, battery_mwh=2.0)
    after, energy_mwh = run(plugged, 3600, 0.0)
    assert energy_mwh == 0
    assert isinstance(after, EvCharger)
    assert after.need_mwh == 1.0
    after, energy_mwh = run(plugged, 1800, -1.0)
    assert energy_mwh == pytest.approx(-0.5)


def test_a_generator_ramps() -> None:
    generator: Model = Generator(RATED_MW, ramp_mw_per_s=0.1)
    powers = []
    for _ in range(12):
        generator, output = generator.step(Inputs(1.0, 0, 1.0))
        powers.append(round(output.p_mw, 6))
    assert powers == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0]
    generator, output = generator.step(Inputs(1.0, 0, None))
    assert output.p_mw == pytest.approx(0.9)


def test_noise_looks_the_same_at_every_period() -> None:
    once = drift(0.3, 10.0, 60.0, 0.0, 0.0)
    in_parts = drift(drift(0.3, 4.0, 60.0, 0.0, 0.0), 6.0, 60.0, 0.0, 0.0)
    assert once == pytest.approx(in_parts)
    assert drift(0.0, math.inf, 60.0, 0.5, 1.0) == 0.5


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Ramp(1.0, 10.0), [1.0, 1.0, 1.0]),
        (Ramp(1.0, 10.0, 0.0, 0.1), [0.0, 0.5, 1.0]),
        (Ramp(-1.0, 10.0, 1.0, 0.2), [1.0, 0.0, -1.0]),
    ],
)
def test_a_command_ramps_from_where_the_device_was(command: Ramp, expected: list[float]) -> None:
    assert [command.at(now_s) for now_s in (10.0, 15.0, 20.0)] == pytest.approx(expected)

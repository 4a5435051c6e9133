"""A generator keeps its ramp, its minimum, and the times of start and stop."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.models import Generator, Inputs, Output
from derproto.der.v1 import OperatingState

RATED_MW = 2.0
GENERATORS = st.builds(
    Generator,
    rated_mw=st.just(RATED_MW),
    ramp_mw_per_s=st.sampled_from([0.01, 0.1, 10.0]),
    minimum_mw=st.sampled_from([0.0, 0.6]),
    start_s=st.sampled_from([0.0, 7.5, 60.0]),
    stop_s=st.sampled_from([0.0, 30.0]),
)
COMMANDS = st.none() | st.sampled_from([0.0, 0.1, 1.0]) | st.floats(-3, 3)
TIMES = st.sampled_from([0.0, 1.0, 60.0]) | st.floats(0, 300)
STEPS = st.lists(st.tuples(TIMES, COMMANDS), max_size=20)


def step(generator: Generator, dt_s: float, command_mw: float | None) -> tuple[Generator, Output]:
    return generator.step(Inputs(dt_s, 0.0, command_mw))


def after(generator: Generator, steps: list[tuple[float, float | None]]) -> Generator:
    for dt_s, command_mw in steps:
        generator, _ = step(generator, dt_s, command_mw)
    return generator


@settings(max_examples=25)
@given(GENERATORS, STEPS)
def test_it_keeps_rating_and_ramp(
    generator: Generator, steps: list[tuple[float, float | None]]
) -> None:
    for dt_s, command_mw in steps:
        before_mw = generator.p_mw
        generator, output = step(generator, dt_s, command_mw)
        assert 0 <= output.p_mw <= RATED_MW
        assert abs(output.p_mw - before_mw) <= generator.ramp_mw_per_s * dt_s + 1e-9


@settings(max_examples=25)
@given(GENERATORS, STEPS, st.floats(0.01, 3))
def test_it_arrives_at_its_command_or_its_minimum(
    generator: Generator, steps: list[tuple[float, float | None]], command_mw: float
) -> None:
    generator, output = step(after(generator, steps), 600.0, command_mw)
    wanted_mw = min(max(command_mw, generator.minimum_mw), RATED_MW)
    assert output.p_mw == pytest.approx(wanted_mw)
    assert output.status is OperatingState.RUNNING


@settings(max_examples=25)
@given(GENERATORS, STEPS, TIMES, TIMES, COMMANDS)
def test_a_step_equals_its_parts(
    generator: Generator,
    steps: list[tuple[float, float | None]],
    first_s: float,
    then_s: float,
    command_mw: float | None,
) -> None:
    generator = after(generator, steps)
    once, output = step(generator, first_s + then_s, command_mw)
    _, of_parts = step(step(generator, first_s, command_mw)[0], then_s, command_mw)
    assert of_parts.p_mw == pytest.approx(output.p_mw, abs=once.ramp_mw_per_s * 1e-9 + 1e-9)


def test_it_starts_ramps_stops_and_cools_down() -> None:
    generator = Generator(RATED_MW, 0.1, minimum_mw=0.5, start_s=20.0, stop_s=30.0)
    generator, output = step(generator, 19.0, 0.2)
    assert (output.p_mw, output.status) == (0.0, OperatingState.STARTING)
    generator, output = step(generator, 3.0, 0.2)
    assert output.p_mw == pytest.approx(0.2)
    assert output.status is OperatingState.RUNNING
    generator, output = step(generator, 60.0, 0.2)
    assert output.p_mw == 0.5
    generator, output = step(generator, 15.0, None)
    assert (output.p_mw, output.status) == (0.0, OperatingState.STANDBY)
    # The rest of 30 s of cooling, and 20 s of starting, come before the next power.
    generator, output = step(generator, 39.0, 1.0)
    assert output.p_mw == 0.0
    generator, output = step(generator, 6.0, 1.0)
    assert output.p_mw == pytest.approx(0.5)


def test_without_start_and_minimum_it_only_ramps() -> None:
    generator = Generator(RATED_MW, ramp_mw_per_s=0.1)
    assert step(generator, 0.0, 1.0)[1].status is OperatingState.STARTING
    powers = []
    for _ in range(12):
        generator, output = step(generator, 1.0, 1.0)
        powers.append(round(output.p_mw, 6))
    assert powers == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0, 1.0]
    assert step(generator, 1.0, None)[1].p_mw == pytest.approx(0.9)

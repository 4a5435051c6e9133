"""A load has a day and a week, and can be steered as far as it is flexible."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.models import Inputs, Load, Output
from derproto.der.v1 import OperatingState

RATED_MW = 2.0
MONDAY_S = datetime(2026, 6, 15, tzinfo=UTC).timestamp()
LOADS = st.builds(
    Load,
    rated_mw=st.just(RATED_MW),
    seed=st.sampled_from(["a", "b"]),
    peak_s=st.floats(0, 86_400),
    weekend_share=st.floats(0, 1),
    flexible_share=st.floats(0, 1),
)
TIMES = st.floats(0, 4e9)


def look(load: Load, at_s: float, command_mw: float | None = None) -> Output:
    return load.step(Inputs(0.0, at_s, command_mw))[1]


@settings(max_examples=25)
@given(LOADS, TIMES, st.floats(-3, 3))
def test_a_command_moves_only_the_flexible_share(
    load: Load, at_s: float, command_mw: float
) -> None:
    own_mw, output = look(load, at_s).p_mw, look(load, at_s, command_mw)
    assert -RATED_MW <= own_mw < 0
    assert output.own_mw == own_mw
    shed_mw, added_mw = max(0.0, output.p_mw - own_mw), max(0.0, own_mw - output.p_mw)
    assert shed_mw <= load.flexible_share * -own_mw + 1e-9
    assert added_mw <= load.flexible_share * (RATED_MW + own_mw) + 1e-9
    if load.flexible_share == 1.0:
        assert output.p_mw == pytest.approx(min(0.0, max(-RATED_MW, command_mw)))


@settings(max_examples=25)
@given(LOADS, TIMES, st.floats(0, 1000))
def test_the_same_seed_gives_the_same_demand_however_often_it_is_read(
    load: Load, at_s: float, dt_s: float
) -> None:
    once = load.step(Inputs(2 * dt_s, at_s, None))
    half, _ = load.step(Inputs(dt_s, at_s - dt_s, None))
    assert half.step(Inputs(dt_s, at_s, None)) == once


def test_it_peaks_in_the_evening_and_rests_at_weekends() -> None:
    load = Load(RATED_MW, "a", weekend_share=0.5)
    # 01:00 UTC of Tuesday is Monday's evening at 105 degrees west.
    evenings = [look(load, MONDAY_S + (25 + 24 * day) * 3600.0).p_mw for day in range(7)]
    day = [look(load, MONDAY_S + hour * 3600.0).p_mw for hour in range(13, 37)]
    assert min(range(13, 37), key=lambda hour: day[hour - 13]) in (23, 24, 25, 26, 27)
    assert max(evenings[:5]) < -0.7 * RATED_MW
    assert min(evenings[5:]) > -0.6 * RATED_MW
    # At 02:00 local time Friday's night is not over, and Sunday's neither.
    nights = [look(load, MONDAY_S + (9 + 24 * day) * 3600.0).p_mw for day in range(8)]
    assert nights[5] < -0.3 * RATED_MW < nights[6]
    assert nights[7] > -0.3 * RATED_MW


def test_it_sheds_when_told() -> None:
    output = look(Load(RATED_MW, "a"), MONDAY_S, -0.1)
    assert (output.p_mw, output.status) == (-0.1, OperatingState.CURTAILED)
    assert look(Load(RATED_MW, "a"), MONDAY_S, -2.0).status is OperatingState.RUNNING

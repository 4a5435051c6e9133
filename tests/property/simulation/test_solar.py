"""A solar park gives what sun, clouds and temperature allow, and never more than it is told."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.drivers.simulation.models import Inputs, Output, Sky, Solar
from deragent.drivers.simulation.models.sky import clear_sky_w_m2, share_through_clouds
from deragent.drivers.simulation.models.solar import plant_mw
from derproto.der.v1 import OperatingState

RATED_MW = 2.0
NOON_S = 19 * 3600.0
SUMMER_S = datetime(2026, 6, 21, tzinfo=UTC).timestamp()
WINTER_S = datetime(2026, 12, 21, tzinfo=UTC).timestamp()
TIMES = st.floats(0, 4e9)
SKIES = st.builds(
    Sky,
    seed=st.sampled_from(["a", "b"]),
    latitude=st.floats(-90, 90),
    noon_s=st.floats(0, 86_400),
    longitude=st.none() | st.floats(-180, 180),
    cloud_cover=st.floats(0, 1),
)
ALAMOSA = Sky("a", latitude=37.5, noon_s=NOON_S)


def look(solar: Solar, at_s: float, command_mw: float | None = None) -> Output:
    return solar.step(Inputs(0.0, at_s, command_mw))[1]


@settings(max_examples=25)
@given(SKIES, TIMES, st.none() | st.floats(-3, 3), st.floats(-40, 50))
def test_power_stays_below_what_is_available_and_what_is_told(
    sky: Sky, at_s: float, command_mw: float | None, air_c: float
) -> None:
    solar = Solar(RATED_MW, sky, air_c)
    output = look(solar, at_s, command_mw)
    assert 0 <= output.p_mw <= output.own_mw <= RATED_MW
    assert output.own_mw == look(solar, at_s).p_mw
    if command_mw is not None:
        assert output.p_mw <= max(0.0, command_mw)


@settings(max_examples=25)
@given(st.floats(0, 1400), st.floats(0, 1400), st.floats(-40, 50))
def test_more_irradiance_never_gives_less_power(one: float, other: float, air_c: float) -> None:
    less, more = sorted((one, other))
    assert plant_mw(RATED_MW, less, air_c) <= plant_mw(RATED_MW, more, air_c)


@settings(max_examples=25)
@given(st.floats(0, 1400), st.floats(-40, 50), st.floats(0, 40))
def test_warmer_air_never_gives_more_power(w_m2: float, air_c: float, warmer: float) -> None:
    assert plant_mw(RATED_MW, w_m2, air_c + warmer) <= plant_mw(RATED_MW, w_m2, air_c)


@settings(max_examples=25)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(-1, 1))
def test_clouds_and_a_lower_sun_only_take(one: float, other: float, cos_zenith: float) -> None:
    less, more = sorted((one, other))
    assert 0.25 <= share_through_clouds(more) <= share_through_clouds(less) <= 1
    assert 0 <= clear_sky_w_m2(cos_zenith) <= 1098
    assert clear_sky_w_m2(less) <= clear_sky_w_m2(more)


@settings(max_examples=25)
@given(SKIES, TIMES, st.floats(0, 1000))
def test_the_same_seed_gives_the_same_sky_however_often_it_is_read(
    sky: Sky, at_s: float, dt_s: float
) -> None:
    solar = Solar(RATED_MW, sky)
    once, output = solar.step(Inputs(2 * dt_s, at_s, None))
    half, _ = solar.step(Inputs(dt_s, at_s - dt_s, None))
    assert half.step(Inputs(dt_s, at_s, None)) == (once, output)


def test_the_sun_is_highest_at_noon_and_gives_the_rating_in_summer_only() -> None:
    solar = Solar(RATED_MW, ALAMOSA)
    summer = [look(solar, SUMMER_S + hour * 3600).p_mw for hour in range(24)]
    winter = [look(solar, WINTER_S + hour * 3600).p_mw for hour in range(24)]
    assert max(range(24), key=lambda hour: summer[hour]) == 19
    assert summer[19] == pytest.approx(RATED_MW, rel=0.1)
    assert max(winter) == winter[19] == pytest.approx(0.5 * RATED_MW, rel=0.1)
    assert [hour for hour in range(24) if winter[hour] == 0] == list(range(15))


@pytest.mark.parametrize(
    ("at", "latitude", "longitude", "cos_zenith"),
    [
        ("2026-02-11T20:00Z", 37.5, -105.9, 0.6119),
        ("2026-11-03T13:00Z", 52.0, 5.0, 0.3362),
        ("2026-07-20T01:00Z", -33.9, 151.2, 0.5516),
    ],
)
def test_the_sun_stands_where_nrels_algorithm_puts_it(
    at: str, latitude: float, longitude: float, cos_zenith: float
) -> None:
    """The figures are those of SPA (I. Reda and A. Andreas, NREL/TP-560-34302), by pvlib."""
    sky = Sky("a", latitude, noon_s=0.0, longitude=longitude)
    at_s = datetime.fromisoformat(at).timestamp()
    assert sky.cos_zenith(at_s) == pytest.approx(cos_zenith, abs=0.007)


def test_it_is_curtailed() -> None:
    solar = Solar(RATED_MW, ALAMOSA)
    output = look(solar, SUMMER_S + NOON_S, 0.5)
    assert (output.p_mw, output.status) == (0.5, OperatingState.CURTAILED)
    assert look(solar, SUMMER_S + NOON_S, 5.0).status is OperatingState.RUNNING
    assert look(solar, SUMMER_S + NOON_S + 43_200).status is OperatingState.STANDBY


def test_clouds_come_and_go_around_their_mean() -> None:
    cloudy = Sky("a", 37.5, NOON_S, cloud_cover=0.5)
    covers = [cloudy.cover(SUMMER_S + 600.0 * number) for number in range(3000)]
    assert sum(covers) / len(covers) == pytest.approx(0.5, abs=0.05)
    assert min(covers) < 0.1
    assert max(covers) > 0.9
    assert {Sky("a", 37.5, NOON_S, cloud_cover=1.0).cover(hour * 3600.0) for hour in range(50)} == {
        1.0
    }

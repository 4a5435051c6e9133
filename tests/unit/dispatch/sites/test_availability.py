"""A site as it is now, as the sum of its assets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.dispatch.sites.allocation import Candidate
from derhead.dispatch.sites.availability import site_now
from derproto.configuration.fleet import AssetKind
from tests.support.assets import make_asset

SOLAR = make_asset("solar", AssetKind.SOLAR, 0.0, 2.0)
BATTERY = make_asset("battery", AssetKind.BATTERY, -1.0, 1.0)
LOAD = make_asset("load", AssetKind.LOAD, -0.5, 0.0)
GENERATOR = make_asset("generator", AssetKind.GENERATOR, 0.0, 3.0)


@pytest.mark.parametrize(
    ("candidate", "up_mw", "down_mw"),
    [
        (Candidate(SOLAR, True, p_mw=1.5), 0.0, 1.5),
        (Candidate(SOLAR, True), 0.0, 0.0),
        (Candidate(BATTERY, True, p_mw=-0.25, soc=0.5), 1.25, 0.75),
        (Candidate(BATTERY, True, p_mw=0.0, soc=0.0), 0.0, 1.0),
        (Candidate(BATTERY, True, p_mw=0.0, soc=1.0), 1.0, 0.0),
        (Candidate(BATTERY, True), 1.0, 1.0),
        (Candidate(LOAD, True, p_mw=-0.4), 0.4, 0.0),
        (Candidate(GENERATOR, True, p_mw=1.0), 2.0, 1.0),
        (Candidate(GENERATOR, True, p_mw=9.0), 0.0, 9.0),
        (Candidate(GENERATOR, False, p_mw=1.0), 0.0, 0.0),
    ],
)
def test_each_asset_adds_what_it_could_do(
    candidate: Candidate, up_mw: float, down_mw: float
) -> None:
    found = site_now([candidate])
    assert (found.available_up_mw, found.available_down_mw) == (up_mw, down_mw)


def test_a_site_is_the_sum_of_its_assets() -> None:
    found = site_now(
        [
            Candidate(SOLAR, True, p_mw=1.5),
            Candidate(BATTERY, True, fresh=False),
            Candidate(LOAD, False, p_mw=-0.1),
            Candidate(GENERATOR, False, fresh=False),
        ]
    )
    assert (found.total, found.online, found.stale, found.offline) == (4, 1, 1, 2)
    assert (found.measured, found.p_mw, found.rated_mw) == (2, 1.4, 6.5)


def test_an_unknown_power_is_not_zero() -> None:
    assert site_now([Candidate(SOLAR, True, fresh=False)]).p_mw is None
    assert site_now([]).p_mw is None


@given(
    st.lists(
        st.builds(
            Candidate,
            st.sampled_from([SOLAR, BATTERY, LOAD, GENERATOR]),
            st.booleans(),
            p_mw=st.none() | st.floats(-1e6, 1e6),
            soc=st.none() | st.floats(0, 1),
            fresh=st.booleans(),
        ),
        max_size=8,
    )
)
def test_counts_add_up_and_are_never_negative(candidates: list[Candidate]) -> None:
    found = site_now(candidates)
    assert found.online + found.stale + found.offline == found.total == len(candidates)
    assert found.available_up_mw >= 0
    assert found.available_down_mw >= 0

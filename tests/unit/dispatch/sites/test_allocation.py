"""The split of one power over a site."""

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from derhead.dispatch.orders.order import LeftOut
from derhead.dispatch.sites.allocation import (
    Allocation,
    Candidate,
    DoesNotFit,
    Reach,
    allocate,
    reach,
    site_reach,
)
from derproto.configuration.fleet import AssetKind
from tests.support.assets import make_asset
from tests.support.epoch import HOUR_US
from tests.support.steps import lines_of


def battery(
    name: str = "b", soc: float | None = 0.5, energy_mwh: float | None = None, mw: float = 1.0
) -> Candidate:
    return Candidate(
        make_asset(name, low_mw=-mw, high_mw=mw, energy_mwh=energy_mwh), True, 0.0, soc
    )


def solar(p_mw: float | None, name: str = "sun") -> Candidate:
    return Candidate(make_asset(name, AssetKind.SOLAR, 0.0, 4.0), True, p_mw)


def load(p_mw: float | None, name: str = "load") -> Candidate:
    return Candidate(make_asset(name, AssetKind.LOAD, -2.0, 0.0), True, p_mw)


def shares(found: Allocation | DoesNotFit) -> dict[str, float]:
    assert isinstance(found, Allocation)
    return {share.asset_id: share.mw for share in found.shares}


# --- reach ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("candidate", "low_mw", "high_mw"),
    [
        (battery(soc=0.5), -1, 1),
        (battery(soc=None), -1, 1),
        (battery(soc=0.0), -1, 0),
        (battery(soc=1.0), 0, 1),
        (battery(soc=-0.2), -1, 0),
        # An hour: 0.1 of 2 MWh is 0.2 MW, and there is room for more than the limits allow.
        (battery(soc=0.1, energy_mwh=2.0), -1, 0.2),
        (battery(soc=0.9, energy_mwh=2.0), -0.2, 1),
        (solar(3.0), 0, 3),
        (solar(9.0), 0, 4),
        (solar(-0.01), 0, 0),
        (load(-0.5), -0.5, 0),
        (load(0.1), 0, 0),
        (Candidate(make_asset("ev", AssetKind.EV_CHARGER, -0.2, 0.0), True, -0.15), -0.15, 0),
        (Candidate(make_asset("gen", AssetKind.GENERATOR, 0.3, 2.0), True), 0.3, 2),
    ],
)
def test_the_reach_of_an_asset(candidate: Candidate, low_mw: float, high_mw: float) -> None:
    found = reach(candidate, HOUR_US)
    assert isinstance(found, Reach)
    assert [found.low_mw, found.high_mw] == pytest.approx([low_mw, high_mw])


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (replace(battery(), online=False), "offline"),
        (replace(battery(), outranked=True), "follows an order of a higher priority"),
        (solar(None), "its output is not known"),
        (load(None), "its demand is not known"),
    ],
)
def test_assets_that_take_no_part(candidate: Candidate, why: str) -> None:
    assert reach(candidate, HOUR_US) == why


def test_energy_bounds_nothing_without_an_end() -> None:
    assert reach(battery(soc=0.01, energy_mwh=1.0), None) == Reach(-1.0, 1.0)


# --- the split ------------------------------------------------------------------------------


def test_equal_assets_get_equal_parts() -> None:
    found = allocate(-10.0, [battery(f"b{n}") for n in range(20)], duration_us=HOUR_US)
    assert set(shares(found).values()) == {-0.5}


def test_parts_go_by_headroom() -> None:
    found = allocate(3.0, [battery("a"), battery("b", mw=5.0)], duration_us=None)
    assert shares(found) == {"a": 0.5, "b": 2.5}


def test_present_sun_is_used_first() -> None:
    site = [solar(3.0), battery(mw=2.0), load(-0.5)]
    assert shares(allocate(4.0, site, duration_us=None)) == {"sun": 3.0, "b": 1.0}
    assert shares(allocate(1.0, site, duration_us=None)) == {"sun": 1.0, "b": 0.0}


def test_present_demand_is_used_first() -> None:
    site = [solar(3.0), battery(mw=2.0), load(-0.5)]
    assert shares(allocate(-1.0, site, duration_us=None)) == {"b": -0.5, "load": -0.5}


def test_an_order_for_zero_tells_all_zero() -> None:
    site = [solar(3.0), battery(), load(-0.5), battery("away")]
    site[3] = replace(site[3], online=False)
    site.append(Candidate(make_asset("gen", AssetKind.GENERATOR, 0.3, 2.0), True))
    found = allocate(0.0, site, duration_us=None)
    assert shares(found) == {"sun": 0.0, "b": 0.0, "load": 0.0}
    assert isinstance(found, Allocation)
    assert found.left_out == (
        LeftOut("away", "offline"),
        LeftOut("gen", "its limits do not allow 0"),
    )


def test_an_order_that_does_not_fit_is_refused_with_the_range() -> None:
    site = [battery("a", soc=0.0), battery("b", mw=2.0), load(-0.25)]
    found = allocate(2.5, site, duration_us=HOUR_US)
    assert isinstance(found, DoesNotFit)
    assert (found.low_mw, found.high_mw) == (-3.25, 2.0)
    assert LeftOut("a", "it has no headroom in this direction") in found.left_out
    assert isinstance(allocate(2.0, site, duration_us=HOUR_US), Allocation)
    assert isinstance(allocate(-3.25, site, duration_us=HOUR_US), Allocation)


def test_a_generator_that_must_run_is_left_out_of_a_small_order() -> None:
    generators = [
        Candidate(make_asset(name, AssetKind.GENERATOR, low, 2.0), True)
        for name, low in (("small", 0.3), ("big", 1.0))
    ]
    assert shares(allocate(0.5, generators, duration_us=None)) == {"small": 0.5}
    assert shares(allocate(2.0, generators, duration_us=None)).keys() == {"small", "big"}
    assert isinstance(allocate(0.2, generators, duration_us=None), DoesNotFit)


def test_leaving_out_machines_that_must_run_costs_a_step_for_each() -> None:
    def site(size: int) -> list[Candidate]:
        return [
            Candidate(make_asset(f"g{n}", AssetKind.GENERATOR, 0.1, 2.0), True) for n in range(size)
        ]

    def cost(size: int) -> int:
        generators = site(size)
        return lines_of(lambda: allocate(1.0, generators, duration_us=None))

    assert len(shares(allocate(1.0, site(400), duration_us=None))) == 10
    assert cost(400) < 5 * cost(100)


def test_an_empty_site_can_do_nothing() -> None:
    assert allocate(1.0, [], duration_us=None) == DoesNotFit(0.0, 0.0)
    assert allocate(0.0, [], duration_us=None) == Allocation(())


def test_missing_power_goes_to_assets_with_headroom_left() -> None:
    """Three held 0.6 each; one is gone."""
    held = [replace(battery(f"b{n}", mw=1.0), held_mw=0.6) for n in range(2)]
    gone = replace(battery("b2"), online=False, held_mw=0.6)
    assert shares(allocate(1.8, [*held, gone], duration_us=None)) == {"b0": 0.9, "b1": 0.9}
    # A newcomer has the most.
    newcomer = replace(battery("new"), p_mw=0.0)
    found = shares(allocate(1.8, [*held, gone, newcomer], duration_us=None))
    assert found == pytest.approx({"b0": 0.6 + 0.4 / 3, "b1": 0.6 + 0.4 / 3, "new": 1 / 3})


# --- whatever the site ------------------------------------------------------------------------

mws = st.integers(-3000, 3000).map(lambda kw: kw / 1000)
candidates = st.builds(
    lambda n, kind, ends, online, p_mw, soc, energy, held: Candidate(
        make_asset(f"a{n}", kind, min(ends), max(ends), rated_mw=3.0, energy_mwh=energy),
        online,
        p_mw,
        soc,
        held,
    ),
    st.integers(0, 10**9),
    st.sampled_from(AssetKind),
    st.tuples(mws, mws),
    st.booleans() | st.just(True),
    mws | st.none(),
    st.floats(0, 1) | st.none(),
    st.floats(0.1, 10) | st.none(),
    mws | st.none(),
)
sites = st.lists(candidates, max_size=12, unique_by=lambda each: each.asset.id)
durations = st.integers(1, 7 * 24 * HOUR_US) | st.none()


@given(sites, st.integers(-10_000_000, 10_000_000).map(lambda w: w / 1e6), durations)
def test_parts_stay_within_reach_and_sum_up(
    site: list[Candidate], mw: float, duration_us: int | None
) -> None:
    found = allocate(mw, site, duration_us=duration_us)
    low_mw, high_mw = site_reach(site, duration_us=duration_us)
    assert found == allocate(mw, site, duration_us=duration_us)
    named = [left.asset_id for left in found.left_out]
    if isinstance(found, DoesNotFit):
        assert (found.low_mw, found.high_mw) == (low_mw, high_mw)
        assert len(set(named)) == len(named)
        return
    by_id = {each.asset.id: each for each in site}
    named += [share.asset_id for share in found.shares]
    assert sorted(named) == sorted(by_id)
    for share in found.shares:
        within = reach(by_id[share.asset_id], duration_us)
        assert isinstance(within, Reach)
        assert within.low_mw <= share.mw <= within.high_mw
        assert share.mw in by_id[share.asset_id].asset.limits
        assert share.mw * mw >= 0
    total = math.fsum(share.mw for share in found.shares)
    assert abs(total - mw) <= 1e-9 * (len(site) + 1)


@given(sites, st.floats(0.01, 0.99), durations)
def test_every_order_within_a_sites_reach_is_split(
    site: list[Candidate], part: float, duration_us: int | None
) -> None:
    # Without machines that must run, all between the two ends fits.
    site = [each for each in site if each.asset.limits.min_mw <= 0 <= each.asset.limits.max_mw]
    _, high_mw = site_reach(site, duration_us=duration_us)
    assume(high_mw > 1e-6)
    assert isinstance(allocate(high_mw * part, site, duration_us=duration_us), Allocation)
    assert isinstance(allocate(high_mw * 1.01, site, duration_us=duration_us), DoesNotFit)

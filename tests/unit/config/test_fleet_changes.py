"""The changes between two fleets: each asset is told once, as what it is."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given

from derproto.configuration.fleet import Asset, Fleet, Limits, Site
from derproto.configuration.fleet_changes import find_changes
from tests.support.assets import fleet_of, make_asset

A, B, C = (make_asset(name) for name in "abc")


def test_the_same_fleet_has_no_changes() -> None:
    changes = find_changes(fleet_of(A, B), fleet_of(A, B))
    assert not changes
    assert str(changes) == "unchanged"


def test_each_change_is_named_and_counted() -> None:
    wider = replace(B, limits=Limits(-1, 1))
    changes = find_changes(fleet_of(A, B), fleet_of(wider, C))
    assert (changes.added, changes.removed, changes.changed) == ((C,), (A,), (wider,))
    assert changes.claims == {"a", "c"}
    assert str(changes) == "1 added, 1 removed, 1 changed"


@pytest.mark.parametrize("of_site", [False, True])
def test_a_reservation_for_another_agent_changes_who_may_claim(of_site: bool) -> None:
    after = fleet_of(A, B) if of_site else fleet_of(replace(A, agent="north"), B)
    if of_site:
        after = Fleet({"site": Site("site", "site", agent="north")}, after.assets)
    changes = find_changes(fleet_of(A, B), after)
    assert changes.claims == ({"a", "b"} if of_site else {"a"})
    assert changes


def test_a_site_of_another_name_is_a_change() -> None:
    changes = find_changes(fleet_of(A), fleet_of(A, site_name="South"))
    assert changes
    assert not changes.claims
    assert str(changes) == "sites changed"


assets = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.sampled_from([1.0, 2.0]), st.sampled_from([None, "x"]))
)


@given(before=assets, after=assets)
def test_every_asset_is_told_once_and_rightly(
    before: dict[str, tuple[float, str | None]], after: dict[str, tuple[float, str | None]]
) -> None:
    def make(written: dict[str, tuple[float, str | None]]) -> Fleet:
        return fleet_of(
            *(make_asset(id, high_mw=mw, agent=who) for id, (mw, who) in written.items())
        )

    def ids(told: tuple[Asset, ...]) -> set[str]:
        return {asset.id for asset in told}

    changes = find_changes(make(before), make(after))
    both = before.keys() & after.keys()
    assert ids(changes.added) == after.keys() - before.keys()
    assert ids(changes.removed) == before.keys() - after.keys()
    assert ids(changes.changed) == {id for id in both if before[id] != after[id]}
    moved = {id for id in both if before[id][1] != after[id][1]}
    assert changes.claims == ids(changes.added) | ids(changes.removed) | moved


def test_a_fleet_becomes_another_and_walks_of_it_go_on() -> None:
    fleet = fleet_of(A, B)
    walk = iter(fleet.assets.values())
    assert next(walk) is A
    fleet.become(fleet_of(C, site_name="South"))
    assert next(walk) is B
    assert [fleet.find_asset(name) for name in "abc"] == [None, None, C]
    assert fleet.find_site("South") == fleet.sites["site"]
    assert fleet.assets_of("site") == (C,)

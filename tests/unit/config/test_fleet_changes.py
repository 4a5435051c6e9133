"""The changes between two fleets: each asset is told once, as what it is."""

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import hypothesis.strategies as st
import pytest
from hypothesis import given

from derproto.configuration.changes import Changes
from derproto.configuration.fleet import Asset, DeviceSpec, Fleet, Limits, Site
from derproto.configuration.fleet_changes import (
    NAMED,
    FleetChanges,
    describe_changes,
    find_changes,
)
from tests.support.assets import fleet_of, make_asset


def told_of(before: Fleet, after: Fleet) -> tuple[FleetChanges, Changes]:
    changes = find_changes(before, after)
    return changes, describe_changes(before, after, changes)


A, B, C = (make_asset(name) for name in "abc")


def test_the_same_fleet_has_no_changes() -> None:
    changes = find_changes(fleet_of(A, B), fleet_of(A, B))
    assert not changes


def test_each_change_is_named_with_what_it_was_and_is() -> None:
    wider = replace(B, limits=Limits(-1, 1))
    changes, told = told_of(fleet_of(A, B), fleet_of(wider, C))
    assert (changes.added, changes.removed, changes.changed) == ((C,), (A,), (wider,))
    assert changes.claims == {"a", "c"}
    assert told.words == "added c; removed a; changed b"
    added, removed, changed = told.items
    assert (added.name, added.before) == ("c", None)
    assert (removed.name, removed.after) == ("a", None)
    assert (added.after or {})["rated_mw"] == C.rated_mw
    was = {"min_mw": B.limits.min_mw, "max_mw": B.limits.max_mw}
    assert changed.before == {"name": "b", "limits": was}
    assert changed.after == {"name": "b", "limits": {"min_mw": -1, "max_mw": 1}}


def test_of_many_changes_some_are_named() -> None:
    many = [make_asset(f"{number:02}") for number in range(NAMED + 3)]
    _, told = told_of(fleet_of(A), fleet_of(A, *many))
    assert len(told.items) == NAMED
    assert told.words.endswith("08, 09 and 3 more")


def test_what_is_told_can_be_written_as_json() -> None:
    options = MappingProxyType({"file": Path("x" * 200), "seed": 3})
    device = replace(A, device=DeviceSpec("replay", options))
    _, told = told_of(fleet_of(A), fleet_of(device))
    (item,) = told.items
    shown = json.loads(json.dumps(item.after))["device"]
    assert shown == {"driver": "replay", "file": "x" * 80, "seed": "3"}


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
    _, told = told_of(fleet_of(A), fleet_of(A, site_name="South"))
    assert told.words == "sites changed South"
    assert [(each.before, each.after) for each in told.items] == [
        ({"name": "site"}, {"name": "South"})
    ]


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

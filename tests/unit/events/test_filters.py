"""A reader's filter, and the events that pass it."""

from dataclasses import replace

import pytest

from derhead.api.routes.event_query import UnknownName, read_filter, read_last_id
from derhead.events import DispatchEvent, Filter, LoggedEvent, SessionEvent
from derhead.shapes import BadQuery
from derproto.configuration.fleet import Fleet
from tests.support.api.fake_headend import (
    BATTERY,
    DISPATCHED,
    NOW,
    SESSION,
    SILENT,
    SITE,
    SOLAR,
    make_fleet,
)
from tests.support.assets import fleet_of, make_asset

FLEET = make_fleet()
ALL = frozenset({SOLAR, BATTERY, SILENT})
EVERY_KIND = frozenset({"telemetry", "agent", "dispatch"})


@pytest.mark.parametrize(
    ("given", "kinds", "assets", "sites"),
    [
        ({}, EVERY_KIND, None, ()),
        ({"kind": ["telemetry"]}, {"telemetry"}, None, ()),
        ({"kind": ["agent,dispatch"]}, {"agent", "dispatch"}, None, ()),
        ({"kind": ["agent", "dispatch,agent"]}, {"agent", "dispatch"}, None, ()),
        ({"asset_id": ["roof"]}, EVERY_KIND, {SOLAR}, ()),
        ({"asset_id": [f"roof,{BATTERY}", "pump"]}, EVERY_KIND, ALL, ()),
        ({"site_id": ["Alamosa"]}, EVERY_KIND, ALL, (SITE,)),
        ({"site_id": [SITE], "asset_id": ["pump"]}, EVERY_KIND, {SILENT}, ()),
    ],
)
def test_a_filter_is_read(
    given: dict[str, list[str]], kinds: set[str], assets: set[str] | None, sites: tuple[str, ...]
) -> None:
    expected = None if assets is None else frozenset(assets)
    assert read_filter(given, FLEET) == Filter(frozenset(kinds), expected, frozenset(sites))


def test_an_asset_of_another_site_matches_nothing() -> None:
    far = fleet_of(make_asset("far", site_id="other"))
    fleet = Fleet({**FLEET.sites, **far.sites}, {**FLEET.assets, **far.assets})
    found = read_filter({"site_id": ["Alamosa"], "asset_id": ["far"]}, fleet)
    assert found == Filter(assets=frozenset())


def test_a_name_with_a_comma_is_tried_as_one_name() -> None:
    odd = replace(FLEET.assets[SOLAR], name="roof, south")
    fleet = Fleet(FLEET.sites, {**FLEET.assets, SOLAR: odd})
    found = read_filter({"asset_id": ["roof, south", "pump"]}, fleet)
    assert found == Filter(assets=frozenset({SOLAR, SILENT}))


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"kind": ["telemetri"]}, ["kind"]),
        ({"kind": [""]}, ["kind"]),
        ({"limit": ["3"], "kind": ["x", "y"]}, ["limit", "kind", "kind"]),
    ],
)
def test_wrong_parameters_are_named(given: dict[str, list[str]], names: list[str]) -> None:
    found = read_filter(given, FLEET)
    assert isinstance(found, BadQuery)
    assert [name for name, _ in found.problems] == names


@pytest.mark.parametrize("given", [{"asset_id": ["roof,nobody"]}, {"site_id": [""]}])
def test_an_unknown_asset_or_site_is_named(given: dict[str, list[str]]) -> None:
    assert isinstance(read_filter(given, FLEET), UnknownName)


@pytest.mark.parametrize(
    ("text", "last_id"),
    [(None, None), ("17", 17), ("", None), ("-1", None), ("9" * 18, 10**18 - 1), ("9" * 19, None)],
)
def test_the_last_id_is_a_number_or_none(text: str | None, last_id: int | None) -> None:
    assert read_last_id(text) == last_id


OF_BATTERY = DispatchEvent(1, NOW, DISPATCHED)
OF_AGENT = SessionEvent(2, NOW, "connected", SESSION)
WITHOUT_ASSETS = SessionEvent(3, NOW, "connected", replace(SESSION, asset_ids=()))


@pytest.mark.parametrize(
    ("wanted", "has"),
    [
        (Filter(), [OF_BATTERY, OF_AGENT, WITHOUT_ASSETS]),
        (Filter(frozenset({"telemetry"})), []),
        (Filter(frozenset({"dispatch"})), [OF_BATTERY]),
        (Filter(assets=frozenset({BATTERY})), [OF_BATTERY, OF_AGENT]),
        (Filter(assets=frozenset({SOLAR})), [OF_AGENT]),
        (Filter(assets=frozenset({SILENT})), []),
        (Filter(assets=ALL, sites=frozenset({SITE})), [OF_BATTERY, OF_AGENT, WITHOUT_ASSETS]),
    ],
)
def test_a_filter_passes_only_wanted_events(wanted: Filter, has: list[LoggedEvent]) -> None:
    assert [e for e in (OF_BATTERY, OF_AGENT, WITHOUT_ASSETS) if wanted.has(e)] == has

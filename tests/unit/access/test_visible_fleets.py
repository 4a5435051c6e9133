"""What of a fleet a caller sees: its sites' assets, as the fleet has them now."""

import pytest

from derhead.access import Principal, Role, VisibleFleets
from derhead.access.visible_fleets import VIEWS, sees_sites_of
from derproto.configuration.fleet import AssetKind, Fleet, Site
from tests.support.assets import make_asset

NORTH, SOUTH = (f"0f0e0d0c-0000-4000-8000-0000000000a{n}" for n in range(2))
ROOF, PUMP, MILL = (f"0f0e0d0c-0000-4000-8000-0000000000b{n}" for n in range(3))


def make_fleet(*names: str) -> Fleet:
    """Sites with an asset each; the first site is called North."""
    places = dict(zip((NORTH, SOUTH), names, strict=True))
    assets = [
        make_asset(ROOF, AssetKind.LOAD, -1.0, 0.0, name="roof", site_id=NORTH),
        make_asset(PUMP, AssetKind.LOAD, -1.0, 0.0, name="pump", site_id=SOUTH),
    ]
    sites = {id: Site(id=id, name=name) for id, name in places.items()}
    return Fleet(sites, {asset.id: asset for asset in assets})


def caller(*sites: str) -> Principal:
    return Principal("x", Role.VIEWER, frozenset(sites))


def test_a_caller_without_limits_sees_the_fleet_itself() -> None:
    fleet = make_fleet("North", "South")
    assert VisibleFleets(fleet).of(Principal("x", Role.VIEWER)) is fleet


def test_a_site_is_named_by_id_or_by_name() -> None:
    fleets = VisibleFleets(make_fleet("North", "South"))
    for named in ("North", NORTH, NORTH.upper()):
        seen = fleets.of(caller(named))
        assert list(seen.sites) == [NORTH]
        assert list(seen.assets) == [ROOF]
        assert seen.find_asset("roof") is not None
        assert seen.find_asset("pump") is None
        assert seen.find_asset(PUMP) is None
        assert seen.find_site("South") is None


def test_a_site_that_is_not_there_shows_nothing() -> None:
    fleets = VisibleFleets(make_fleet("North", "South"))
    for sites in ([], ["Atlantis"]):
        seen = fleets.of(caller(*sites))
        assert not seen.sites
        assert not seen.assets
    assert len(fleets.of(caller("Atlantis", "North", "South")).assets) == 2


def test_the_view_follows_the_fleet_and_is_kept_until_then() -> None:
    fleet = make_fleet("North", "South")
    fleets = VisibleFleets(fleet)
    before = fleets.of(caller("North"))
    assert fleets.of(caller("North")) is before
    fleet.become(make_fleet("Moved", "North"))
    assert list(fleets.of(caller("North")).assets) == [PUMP]


def test_the_number_of_views_is_bounded() -> None:
    fleets = VisibleFleets(make_fleet("North", "South"))
    for number in range(2 * VIEWS):
        fleets.of(caller("North", f"other {number}"))
        assert len(fleets._views) <= VIEWS


@pytest.mark.parametrize(
    ("mine", "others", "sees"),
    [
        (None, None, True),
        (None, {"North"}, True),
        ({"North"}, None, False),
        ({"North"}, {NORTH}, True),
        ({NORTH.upper(), "South"}, {"North"}, True),
        ({"North"}, {"North", "South"}, False),
        ({"North"}, {"South"}, False),
        ({"North"}, {"gone"}, False),
        ({"gone"}, {"gone"}, True),
        ({"North"}, set(), True),
    ],
)
def test_who_sees_the_sites_of_another(
    mine: set[str] | None, others: set[str] | None, sees: bool
) -> None:
    one, other = (
        Principal("x", Role.ADMIN, None if sites is None else frozenset(sites))
        for sites in (mine, others)
    )
    assert sees_sites_of(one, other, make_fleet("North", "South")) is sees

"""Bodies that are orders, and the errors of those that are not."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.dispatch import AssetOrder, BadOrder, SiteOrder, UnknownAsset, UnknownSite, parse_order
from derhead.dispatch.orders.parsing import MEMBERS
from derhead.shapes.json_body import BadJson, parse_json
from tests.support.api.fake_headend import BATTERY, NOW, SITE, make_fleet
from tests.support.epoch import HOUR_US

FLEET = make_fleet()
WHOLE = {"asset_id": "battery-1", "mw": -0.5}


@pytest.mark.parametrize(
    ("body", "order"),
    [
        (WHOLE, AssetOrder(BATTERY, -0.5)),
        ({"asset_id": BATTERY.upper(), "mw": 1}, AssetOrder(BATTERY, 1.0)),
        (WHOLE | {"duration_s": 0.25}, AssetOrder(BATTERY, -0.5, duration_us=250_000)),
        (WHOLE | {"duration_s": 604_800}, AssetOrder(BATTERY, -0.5, 604_800_000_000)),
        (WHOLE | {"expires_in_s": 0.5}, AssetOrder(BATTERY, -0.5, expires_in_us=500_000)),
        (
            WHOLE | {"start_at": "2026-01-31T13:00:00Z"},
            AssetOrder(BATTERY, -0.5, start_us=NOW + HOUR_US),
        ),
        (
            WHOLE | {"start_at": "2026-01-31T13:00:00+01:00"},
            AssetOrder(BATTERY, -0.5, start_us=NOW),
        ),
        (
            WHOLE | {"start_at": "2026-01-31T11:59:55Z"},
            AssetOrder(BATTERY, -0.5, start_us=NOW - 5_000_000),
        ),
        (WHOLE | {"priority": 0}, AssetOrder(BATTERY, -0.5, priority=0)),
        (WHOLE | {"ramp_mw_per_s": 0.1}, AssetOrder(BATTERY, -0.5, ramp_mw_per_s=0.1)),
        (
            WHOLE | dict.fromkeys(("duration_s", "priority", "ramp_mw_per_s")),
            AssetOrder(BATTERY, -0.5),
        ),
    ],
)
def test_orders(body: object, order: AssetOrder) -> None:
    assert parse_order(body, FLEET, NOW) == order


@pytest.mark.parametrize(
    ("changes", "pointer", "says"),
    [
        ({"mw": "0.5"}, "/mw", "the text '0.5' is not a number"),
        ({"mw": True}, "/mw", "true is not a number"),
        ({"mw": [1]}, "/mw", "a list is not a number"),
        ({"mw": None}, "/mw", "missing"),
        ({"mw": math.nan}, "/mw", "nan is not a finite number"),
        ({"mw": -math.inf}, "/mw", "-inf is not a finite number"),
        ({"mw": 10**400}, "/mw", "out of range"),
        ({"mw": 1.0000001}, "/mw", "beyond the limits of battery-1; write a number from -1 to 1"),
        ({"asset_id": None}, "/asset_id", "missing"),
        ({"asset_id": 7}, "/asset_id", "the number 7 is not text"),
        ({"duration_s": 0}, "/duration_s", "0 is out of range"),
        ({"duration_s": -60}, "/duration_s", "-60 is out of range"),
        ({"duration_s": 1e-9}, "/duration_s", "shorter than a microsecond"),
        ({"duration_s": 604_801}, "/duration_s", "up to 604800, in seconds"),
        ({"duration_s": math.inf}, "/duration_s", "not a finite number"),
        ({"duration_s": "PT1M"}, "/duration_s", "not a number"),
        ({"priority": 256}, "/priority", "write a whole number from 0 to 255"),
        ({"priority": -1}, "/priority", "out of range"),
        ({"priority": 1.0}, "/priority", "not a whole number"),
        ({"priority": False}, "/priority", "not a whole number"),
        ({"ramp_mw_per_s": 0}, "/ramp_mw_per_s", "above 0, in MW per second"),
        ({"ramp_mw_per_s": math.nan}, "/ramp_mw_per_s", "not a finite number"),
        ({"durations": 1}, "/durations", "did you mean duration_s?"),
        ({"a/b~c": 1}, "/a~1b~0c", "unknown member"),
        ({"site_id": "x"}, "/site_id", "for an asset or for a site; leave one out"),
        ({"start_at": "x"}, "/start_at", "'x' is not an RFC 3339 time"),
        ({"start_at": 7}, "/start_at", "the number 7 is not a time; write an RFC 3339 time"),
        ({"start_at": "2026-01-31T13:00:00"}, "/start_at", "has no time zone; write"),
        ({"start_at": "9" * 5_000}, "/start_at", "is not an RFC 3339 time"),
        (
            {"start_at": "2026-01-31T11:59:54.9Z"},
            "/start_at",
            "is more than 5 s in the past; write a time after 2026-01-31T12:00:00Z",
        ),
        ({"expires_in_s": 0}, "/expires_in_s", "0 is out of range"),
        ({"expires_in_s": 1e-9}, "/expires_in_s", "shorter than a microsecond"),
        ({"expires_in_s": 604_801}, "/expires_in_s", "up to 604800, in seconds"),
        ({"ramp_mw_per_s": -1}, "/ramp_mw_per_s", "above 0, in MW per second"),
        ({"dry_run": "yes"}, "/dry_run", "is neither true nor false; write one of them"),
    ],
)
def test_every_error_is_named(changes: dict[str, object], pointer: str, says: str) -> None:
    refused = parse_order(WHOLE | changes, FLEET, NOW)
    assert isinstance(refused, BadOrder)
    ((at, detail),) = refused.problems
    assert at == pointer
    assert says in detail


def test_an_order_for_a_site() -> None:
    body = {"site_id": "Alamosa", "mw": -9, "duration_s": 60, "priority": 3, "ramp_mw_per_s": 1}
    assert parse_order(body, FLEET, NOW) == SiteOrder(SITE, -9.0, 60_000_000, 3, 1.0)
    assert parse_order({"site_id": SITE.upper(), "mw": 1}, FLEET, NOW) == SiteOrder(SITE, 1.0)
    assert parse_order({"site_id": "nowhere", "mw": 1}, FLEET, NOW) == UnknownSite("nowhere")
    assert parse_order(body | {"dry_run": True}, FLEET, NOW) == SiteOrder(
        SITE, -9.0, 60_000_000, 3, 1.0, dry_run=True
    )


@pytest.mark.parametrize(
    ("body", "pointer", "says"),
    [
        ({"mw": 1}, "/asset_id", "its name, or a whole site's site_id"),
        ({"site_id": 7, "mw": 1}, "/site_id", "the number 7 is not text; write the site's UUID"),
        ({"site_id": SITE, "mw": None}, "/mw", "missing"),
    ],
)
def test_wrong_orders_for_a_site_are_refused(body: object, pointer: str, says: str) -> None:
    refused = parse_order(body, FLEET, NOW)
    assert isinstance(refused, BadOrder)
    ((at, detail),) = refused.problems
    assert at == pointer
    assert says in detail


def test_a_dry_run_may_be_beyond_the_limits() -> None:
    asked = parse_order(WHOLE | {"mw": 99, "dry_run": True}, FLEET, NOW)
    assert asked == AssetOrder(BATTERY, 99.0, dry_run=True)
    assert parse_order(WHOLE | {"dry_run": False}, FLEET, NOW) == AssetOrder(BATTERY, -0.5)


def test_all_problems_at_once() -> None:
    body = {"asset_id": "nobody", "mw": "x", "duration_s": -1, "priority": 300, "what": 1}
    refused = parse_order(body, FLEET, NOW)
    assert isinstance(refused, BadOrder)
    pointers = [pointer for pointer, _ in refused.problems]
    assert pointers == ["/what", "/mw", "/duration_s", "/priority", "/asset_id"]


@pytest.mark.parametrize("body", [None, [], "text", 7, math.nan, True])
def test_only_an_object_is_an_order(body: object) -> None:
    refused = parse_order(body, FLEET, NOW)
    assert isinstance(refused, BadOrder)
    assert [pointer for pointer, _ in refused.problems] == [""]


def test_an_unknown_asset_is_not_a_bad_order() -> None:
    assert parse_order({"asset_id": "nobody", "mw": 99}, FLEET, NOW) == UnknownAsset("nobody")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"{", "line 1, column 2"),
        (b"asset_id=1", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "byte 0 of the body is not UTF-8"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'{"mw":1,"mw":2}', "'mw' stands twice"),
        (b'{"a":{"b":1,"b":1}}', "'b' stands twice"),
        (b"[" * 60_000, "nested too deeply"),
        (b'{"a":' * 12_000, "nested too deeply"),
    ],
)
def test_malformed_json_is_refused(data: bytes, says: str) -> None:
    refused = parse_json(data)
    assert isinstance(refused, BadJson)
    assert says in refused.detail


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 60_000])
def test_numbers_that_no_order_takes_are_refused_by_name(text: str) -> None:
    body = parse_json(b'{"asset_id":"battery-1","mw":%s}' % text.encode())
    refused = parse_order(body, FLEET, NOW)
    assert isinstance(refused, BadOrder)
    assert [pointer for pointer, _ in refused.problems] == ["/mw"]


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
_JSON = st.recursive(
    _SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
_NAMES = st.sampled_from([*MEMBERS, "dry_run"])
_BODIES = st.dictionaries(_NAMES | st.text(), _JSON | st.just("battery-1")) | _JSON


@given(_BODIES)
def test_every_body_is_an_order_within_bounds_or_refused_with_reasons(body: object) -> None:
    match parse_order(body, FLEET, NOW):
        case AssetOrder() as order:
            asset = FLEET.assets[order.asset_id]
            assert order.mw in asset.limits
            assert order.duration_us is None or order.duration_us > 0
            assert 0 <= order.priority <= 255
            assert order.ramp_mw_per_s is None or order.ramp_mw_per_s > 0
            assert order.start_us is None or order.start_us >= NOW - 5_000_000
            assert order.expires_in_us is None or order.expires_in_us > 0
        case BadOrder(problems):
            assert problems
        case UnknownAsset(asset_id):
            assert FLEET.find_asset(asset_id) is None


@given(st.binary() | st.text().map(str.encode) | _JSON.map(lambda body: json.dumps(body).encode()))
def test_no_bytes_make_the_parser_raise(data: bytes) -> None:
    parse_json(data)

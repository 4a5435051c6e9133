"""The cost of one request: CPU time grows with its size, and its answer stays short."""

import base64
import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

import pytest

from derhead.api import create_app
from derhead.api.answering.current_lists import MAX_ACCEPT, wants_csv
from derhead.api.routes.event_query import UnknownName, read_filter
from derhead.dispatch import fingerprint, parse_order, read_key
from derhead.events import Filter
from derhead.findings import MAX_FINDINGS
from derhead.history import PageRequest
from derhead.shapes import BadQuery, CsvList, parse_query
from derhead.shapes.json_body import MAX_DEPTH, BadJson, parse_json
from derproto.configuration.fleet import Fleet, Site
from derproto.metrics.exposition import Metrics
from tests.support.api.fake_headend import BATTERY, NOW, FakeView, make_fleet
from tests.support.assets import fleet_of, make_asset
from tests.unit.api.asking import ask, order
from tests.unit.api.cost import MAX_STALL_S, cpu_s, hold_linear

BODY = 64 * 1024
"""Bytes of the longest body."""

HEADER = 16 * 1024
"""Bytes of the longest header, with the query in it."""

ANSWER = 8 * 1024
"""Most bytes of a refusal, whatever was sent."""

LONG = "a" * 60_000
FLEET = make_fleet()


def members(count: int, text: str = "1") -> bytes:
    return b"{" + b",".join(b'"%d":%b' % (n, text.encode()) for n in range(count)) + b"}"


def take(body: bytes) -> object:
    """Everything that happens to an order's body before there is an order."""
    document = parse_json(body)
    if isinstance(document, BadJson):
        return document
    fingerprint(document)
    return parse_order(document, FLEET, NOW)


BODIES: Mapping[str, Callable[[int], bytes]] = {
    "unknown names": lambda size: members(size // 9),
    "a name repeated at the end": lambda size: members(size // 9)[:-1] + b',"a":1,"a":2}',
    "one name repeated": lambda size: b"{" + b'"a":1,' * (size // 6) + b'"a":1}',
    "whole numbers": lambda size: b"[" + b"1," * (size // 2) + b"1]",
    "one long whole number": lambda size: b'{"mw":' + b"9" * size + b"}",
    "one long fraction": lambda size: b'{"mw":0.' + b"9" * size + b"}",
    "one long exponent": lambda size: b'{"mw":1e' + b"9" * size + b"}",
    "lists within lists": lambda size: b"[" * size,
    "objects within objects": lambda size: b'{"a":' * (size // 5),
    "white space": lambda size: b"{" + b" " * size,
    "half characters": lambda size: b'{"mw":1,"asset_id":"' + b"\\ud800" * (size // 6) + b'"}',
    "an open text of quotes": lambda size: b'{"mw":1,"asset_id":"' + b'\\"' * (size // 2),
    "a long name that is almost known": lambda size: b'{"' + b"asset_id" * (size // 8) + b'":1}',
    "a long time": lambda size: b'{"asset_id":"roof","mw":1,"start_at":"' + b"2" * size + b'"}',
}


@pytest.mark.parametrize("name", BODIES)
def test_the_cost_of_a_body_grows_with_its_size(name: str) -> None:
    hold_linear(lambda size: take(BODIES[name](size)), BODY)


@pytest.mark.parametrize("name", BODIES)
async def test_the_answer_to_any_body_is_short(name: str) -> None:
    answer = await order(FakeView(), BODIES[name](BODY - 100))
    assert answer.status in (400, 404, 422)
    assert len(answer.text) < ANSWER


async def test_twenty_of_many_errors_are_listed_and_the_others_counted() -> None:
    answer = await order(FakeView(), {str(n): 1 for n in range(3_000)})
    assert len(answer.pointers) == MAX_FINDINGS == 20
    # The body also lacks an asset and a power.
    assert f"; {3_002 - 20} more errors are not listed" in str(answer.body["detail"])
    few = await order(FakeView(), {str(n): 1 for n in range(18)})
    assert len(few.pointers) == 20
    assert "not listed" not in str(few.body["detail"])


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 500, 900, 2_000, 60_000])
def test_a_body_within_the_bound_of_nesting_is_read_and_written_again(depth: int) -> None:
    document = parse_json(b"[" * depth + b"]" * depth)
    if depth > MAX_DEPTH:
        assert isinstance(document, BadJson)
        assert "nested too deeply" in document.detail
    else:
        assert fingerprint(document)


@pytest.mark.parametrize("member", ["asset_id", "site_id", "start_at", "mw", "priority", "dry_run"])
@pytest.mark.parametrize("text", [LONG, "\ud800"])
async def test_any_text_in_any_member_gets_a_short_refusal(member: str, text: str) -> None:
    named = {} if member == "site_id" else {"asset_id": "battery-1"}
    answer = await order(FakeView(), {**named, "mw": 0.1, member: text})
    assert answer.status in (404, 422)
    assert len(answer.text) < ANSWER
    assert f"/{member}" in answer.pointers


FIRST, LAST = "0001-01-01T00:00:00", "9999-12-31T23:59:59.999999"
BEYOND = [f"{FIRST}+23:59", f"{FIRST}+00:01", f"{LAST}-00:01", f"{LAST}-23:59"]
"""Times that their offset moves out of the calendar."""


@pytest.mark.parametrize("time", BEYOND)
async def test_a_time_that_utc_cannot_write_is_refused_by_name(time: str) -> None:
    body = {"asset_id": "battery-1", "mw": 0.1}
    answer = await order(FakeView(), {**body, "start_at": time})
    assert (answer.status, answer.pointers) == (422, ["/start_at"])
    assert "years 1 to 9999" in answer.text
    for path in ("telemetry/battery-1", "dispatch", "heartbeat/agent-1"):
        for name in ("from", "to"):
            answer = await ask(FakeView(), f"/{path}/history?{name}={quote(time)}")
            assert (answer.status, answer.pointers) == (422, [f"/query/{name}"])


@pytest.mark.parametrize("time", [f"{FIRST}Z", f"{LAST}Z"])
async def test_the_first_and_the_last_time_are_accepted(time: str) -> None:
    body = {"asset_id": "battery-1", "mw": 0.1, "start_at": time, "duration_s": 604_800}
    answer = await order(FakeView(), {**body, "dry_run": True})
    assert answer.status == (422 if time.startswith("0001") else 200)
    path = f"/telemetry/battery-1/history?step=31d&from={time}"
    assert (await ask(FakeView(), path)).status == 200


def big_fleet(sites: int, assets: int) -> Fleet:
    """Assets are dealt out to the sites in turn."""
    at = {f"site-{n}": Site(f"site-{n}", f"S{n}") for n in range(sites)}
    there = (
        make_asset(f"id-{n}", name=f"A{n}", site_id=f"site-{n % sites}") for n in range(assets)
    )
    return Fleet(at, fleet_of(*there).assets)


BIG = big_fleet(500, 10_000)

QUERIES: Mapping[str, Callable[[int], object]] = {
    "unknown parameters": lambda size: parse_query(
        {f"fro{n}": ["x"] for n in range(size // 8)}, ("from", "to", "limit")
    ),
    "one parameter many times": lambda size: parse_query(
        {"limit": ["1"] * (size // 8)}, ("limit",)
    ),
    "a long time": lambda size: parse_query({"from": ["2" * size]}, ("from",)),
    "a long limit": lambda size: parse_query({"limit": ["9" * size]}, ("limit",)),
    "a long step": lambda size: parse_query({"step": ["9" * size]}, ("step",)),
    "many members": lambda size: parse_query({"fields": ["a," * (size // 2)]}, ("fields",)),
    "unknown kinds": lambda size: read_filter({"kind": ["agen," * (size // 5)]}, BIG),
    "known kinds": lambda size: read_filter({"kind": ["agent"] * (size // 11)}, BIG),
    "names of assets": lambda size: read_filter(
        {"asset_id": [",".join(f"A{9_999 - n}" for n in range(size // 6))]}, BIG
    ),
    "names of sites": lambda size: read_filter(
        {"site_id": [",".join(f"S{n % 500}" for n in range(size // 5))]}, BIG
    ),
    "a name of commas": lambda size: read_filter({"asset_id": ["," * size]}, BIG),
    "a key of escapes": lambda size: key_of('"' + "\\\\" * (size // 2)),
    "a bare key": lambda size: key_of("a" * size + '"'),
}


def key_of(text: str) -> str | ValueError:
    try:
        return read_key(text)
    except ValueError as wrong:
        return wrong


@pytest.mark.parametrize("name", QUERIES)
def test_the_cost_of_a_query_grows_with_its_size(name: str) -> None:
    hold_linear(QUERIES[name], HEADER)


def test_names_are_found_in_a_large_fleet_without_a_search() -> None:
    found = read_filter({"asset_id": ["A1,A2", "id-3"], "site_id": ["S1,S2,S3"]}, BIG)
    assert isinstance(found, Filter)
    assert found.assets == frozenset({"id-1", "id-2", "id-3"})
    assert isinstance(read_filter({"asset_id": ["A10000"]}, BIG), UnknownName)


def test_twenty_of_many_wrong_parameters_are_listed() -> None:
    for refused in (
        parse_query({f"x{n}": ["1"] for n in range(500)}, ("from",)),
        parse_query({f"x{n}": ["1"] for n in range(500)}, ()),
        read_filter({"kind": ["x,"] * 250}, FLEET),
        read_filter({f"x{n}": ["1"] for n in range(500)}, FLEET),
    ):
        assert isinstance(refused, BadQuery)
        assert len(refused.problems) == MAX_FINDINGS
        assert refused.more == 500 - MAX_FINDINGS


PATHS = [
    "/assets?" + "&".join(f"x{n}=1" for n in range(2_000)),
    "/assets?" + "~/" * 8_000 + "=1",
    "/assets?fields=" + "a" * HEADER,
    "/events?kind=" + "x," * 8_000,
    "/events?asset_id=" + "x" * HEADER,
    "/events?" + "&".join(["kind=x"] * 2_000),
    "/dispatch/history?from=" + "2" * HEADER,
    "/dispatch/history?cursor=" + "A" * HEADER,
    "/dispatch/history?cursor=" + base64.urlsafe_b64encode(b"[" * 12_000).decode(),
    "/dispatch/history?asset_id=" + "x" * HEADER,
    "/telemetry/battery-1/history?step=" + "9" * HEADER,
    "/telemetry/battery-1/history?" + "&".join(["limit=1"] * 2_000),
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
async def test_the_answer_to_any_query_is_short(path: str) -> None:
    answer = await ask(FakeView(), path)
    assert answer.status in (404, 422)
    assert len(answer.text) < ANSWER


@pytest.mark.parametrize("place", [2**63 - 1, 2**62, 0, -(2**63)])
async def test_a_forged_timeline_cursor_queries_no_time_beyond_64_bits(place: int) -> None:
    view = FakeView()
    forged = json.dumps([["timeline", "agent-1"], [place, 0, "x"]]).encode()
    cursor = base64.urlsafe_b64encode(forged).decode().rstrip("=")
    answer = await ask(view, f"/agents/agent-1/timeline?from=9000-01-01T00:00:00Z&cursor={cursor}")
    assert answer.status == 200
    pages = [arguments["page"] for _, arguments in view.history.asked]
    assert pages
    for page in pages:
        assert isinstance(page, PageRequest)
        assert page.within.to_us is None or page.within.to_us < 2**63


ACCEPT = {
    "spaces": "a" + " " * HEADER + "b",
    "asterisks": "*" * HEADER,
    "types": "a/b," * (HEADER // 4),
    "weights": "text/csv" + ";q=1" * (HEADER // 4),
}


@pytest.mark.parametrize("name", ACCEPT)
async def test_a_long_accept_header_is_not_read(name: str) -> None:
    answer = await ask(FakeView(), "/assets", headers={"Accept": f"text/csv,{ACCEPT[name]}"})
    assert answer.headers["Content-Type"] == "application/json"
    assert len(ACCEPT[name]) > MAX_ACCEPT


@pytest.mark.parametrize("name", ACCEPT)
@pytest.mark.parametrize("size", [MAX_ACCEPT, HEADER])
async def test_no_accept_header_stalls_the_loop(name: str, size: int) -> None:
    taken = []
    for _ in range(3):
        headers = {"Accept": ACCEPT[name][-size:]}
        async with create_app(FakeView()).test_request_context("/assets", headers=headers):
            taken.append(cpu_s(wants_csv, tries=1))
    assert min(taken) < MAX_STALL_S


@pytest.mark.parametrize(
    "version", ["x", "1.0.0-9", "9" * 5_000, "1.0.0\u00e9", "", "1.0.0", "0.0.1"]
)
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain"])
def test_metrics_answer_whatever_version_is_asked_for(kind: str, version: str) -> None:
    _, content_type = Metrics().render(f"{kind};version={version}")
    assert content_type.isascii()


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"]


@pytest.mark.parametrize("text", FORMULAS)
async def test_no_text_in_csv_is_a_formula(text: str) -> None:
    view = FakeView()
    asset = replace(view.fleet.assets[BATTERY], name=text)
    view.fleet = Fleet(view.fleet.sites, {BATTERY: asset})
    table = await create_app(view).test_client().get("/assets", headers={"Accept": "text/csv"})
    (row,) = csv.DictReader(io.StringIO((await table.get_data(as_text=False)).decode(), newline=""))
    assert row["name"] == f"'{text}"
    assert (await ask(view, "/assets")).items[0]["name"] == text


def test_a_number_in_csv_keeps_its_sign() -> None:
    piece = CsvList(("a", "b", "c", "d")).piece(
        [{"a": -0.5, "b": -3, "c": "0-1", "d": ["-x", "y"]}]
    )
    assert piece == "-0.5,-3,0-1,'-x y\r\n"

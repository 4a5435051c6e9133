"""Any HTTP request: no answer is a fault of the headend, and every error is problem JSON."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from derhead.api.openapi import build
from tests.fuzz.headend import GOOD, SITE, besieged, converse, play, read_answers
from tests.fuzz.mutation import effort, mutated

PATHS: Any = build("0")["paths"]
ENDPOINTS: list[tuple[str, str, list[str]]] = [
    (
        method.upper(),
        path,
        [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"],
    )
    for path, operations in PATHS.items()
    for method, operation in operations.items()
]
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

WORDS = [
    *("", "0", "-1", "1", "9" * 30, "1e999", "NaN", "null", "true", "\0", "\r\n", "é", "\u202e"),
    *("good", GOOD, SITE, "00000000-0000-0000-0000-000000000000", "..", "%", "%00", "a" * 3000),
    *("2026-01-31T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "15m", "0s"),
    *("2026-01-31", "-infinity", "started", "link", "asset_id", "csv", "eyJ9", "AAAA", "1,2", "*"),
]
words = st.sampled_from(WORDS)
extremes: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.sampled_from([None, True, 0, -1, 2**63, -(10**40), 1e308, -1e-320, math.nan, math.inf]),
        words,
        st.sampled_from(["\ud800", "\U0010ffff"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=5,
)
ORDER = {
    "asset_id": GOOD,
    "mw": 0.5,
    "duration_s": 60,
    "start": None,
    "priority": 128,
    "ramp_mw_per_s": 0.1,
    "expires_s": 60,
}
orders = st.dictionaries(st.sampled_from([*ORDER, "site_id", "x"]), extremes, max_size=3).map(
    lambda changes: {**ORDER, **changes}
)
bodies = st.one_of(
    st.one_of(orders, extremes).map(lambda value: json.dumps(value).encode()),
    mutated([json.dumps(ORDER).encode()], [b"[" * 5000, b'"\\ud800"', b"1e999", b"\xff", b"{}"]),
)
HEADERS = [
    *("Idempotency-Key", "If-None-Match", "Accept", "Authorization", "Cookie", "Last-Event-ID"),
    *("X-Request-Id", "Range", "Accept-Encoding", "Origin", "Content-Type", "Forwarded"),
]


@dataclass(frozen=True)
class Request:
    method: str
    data: bytes


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A whole request that HTTP allows, to any endpoint, with odd values in every place."""
    method, path, names = draw(st.sampled_from(ENDPOINTS))
    if not draw(st.integers(0, 5)):
        method = draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]))
    while "{" in path:
        before, _, after = path.partition("{")
        path = before + quote(draw(words), safe="%") + after.partition("}")[2]
    asked = draw(st.lists(st.tuples(st.sampled_from([*names, "x", ""]), words), max_size=3))
    query = "&".join(f"{name}={quote(value, safe='%')}" for name, value in asked)
    lines = [f"{method} {path}{'?' * bool(query)}{query} HTTP/1.1", "Host: localhost"]
    for name, value in draw(st.lists(st.tuples(st.sampled_from(HEADERS), words), max_size=2)):
        lines.append(f"{name}: {''.join(c for c in value if ' ' <= c <= '~')}")
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        body = draw(bodies)
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return Request(method, head + body)


def check(data: bytes, answers: list[tuple[int, dict[bytes, bytes], bytes]]) -> None:
    for status, headers, body in answers:
        assert status < 500 or status == 503, (data, status, body)
        assert b"x-request-id" in headers, (data, headers)
        if status >= 400 and body:
            assert headers[b"content-type"] == b"application/problem+json", (data, headers)
            problem = json.loads(body)
            assert problem["status"] == status
            assert problem["detail"], data


@effort(5)
@given(several=st.lists(requests(), min_size=1, max_size=40))
def test_any_request_is_answered_in_kind(
    caplog: pytest.LogCaptureFixture, several: list[Request]
) -> None:
    async def main(folder: Path) -> None:
        async with besieged(folder) as world:
            for request in several:
                with trio.move_on_after(60) as scope:
                    received = await converse(world.network, request.data + HEALTH)
                if scope.cancelled_caught:
                    # An answer without an end.
                    assert b" /events" in request.data or b" /dispatch/events" in request.data
                    continue
                answers = read_answers(received, [request.method.encode(), b"GET"])
                assert answers, request.data
                check(request.data, answers)
                if answers[0][1].get(b"connection") != b"close":
                    assert len(answers) == 2, (request.data, received)

    play(main, caplog)


GOOD_REQUESTS = [
    HEALTH,
    b"GET /telemetry?limit=2 HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n",
    b"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"mw"\r\n5\r\n: 10}\r\n0\r\n\r\n',
    b"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
]
TOKENS = [
    *(b"\r\n", b"\n", b"\0", b" ", b":", b"%ff", b"\xff", b"\t", b"Host: y\r\n", b"/" * 9000),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"HTTP/1.0", b"http://[", b"-1"),
    *(b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n", b";"),
]


@effort(5)
@given(several=st.lists(mutated(GOOD_REQUESTS, TOKENS), min_size=1, max_size=40))
def test_any_bytes_are_no_fault(caplog: pytest.LogCaptureFixture, several: list[bytes]) -> None:
    async def main(folder: Path) -> None:
        async with besieged(folder) as world:
            for data in several:
                with trio.move_on_after(60):
                    received = await converse(world.network, data)
                    assert b"HTTP/1.1 500" not in received, data

    play(main, caplog)

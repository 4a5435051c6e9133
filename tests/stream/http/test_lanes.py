"""Both lanes answer with the same bytes, and close connections at the same time.

Each connection is played twice, to a server with the fast lane and to one without, in
virtual time and under one wall time.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import hypercorn.config
import pytest
import trio
from hypercorn.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.access import AccessGate
from derhead.api import RestApp, TrustedHosts
from derhead.api.latest.latest_texts import LatestTexts
from derhead.api.latest.telemetry_lane import TelemetryLane, TelemetryRequest
from derhead.httpserver import HttpLimits
from derhead.httpserver.protocols.request_head import HEADER_BYTES
from derhead.httpserver.protocols.request_ids import RequestIds
from derhead.httpserver.sender import SEND_BYTES
from derproto.triogrpc.testing import BUFFER_BYTES, MemoryStream
from tests.stream.http.malformed import REQUESTS
from tests.stream.http.support import (
    HOSTS,
    ask,
    make_app,
    receive,
    receive_all,
    serving_in_memory,
)
from tests.support.access import (
    ADMIN,
    ALAMOSA,
    EXPIRED,
    NORTH,
    OPERATOR,
    REVOKED,
    STRANGE,
    VIEWER,
    make_gate,
)
from tests.support.api.fake_headend import BATTERY, NOW, SITE, FakeView, make_fleet
from tests.support.assets import fleet_of, make_asset, make_loads

LIMITS = HttpLimits()
ONE = b"GET /telemetry/%b HTTP/1.1\r\nHost: x\r\n\r\n" % BATTERY.encode()
SILENT = b"GET /telemetry/pump HTTP/1.1\r\nHost: x\r\n\r\n"
ALL = b"GET /telemetry HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
UNKNOWN = b"GET /telemetry/nothing HTTP/1.1\r\nHost: x\r\n\r\n"


def with_fields(*fields: bytes, first: bytes = b"GET /telemetry/pump HTTP/1.1") -> bytes:
    return b"\r\n".join((first, *fields, b"", b""))


FAST = {
    "one": ONE,
    "one by name": SILENT,
    "all": ALL,
    "HEAD one": ONE.replace(b"GET", b"HEAD"),
    "HEAD all": ALL.replace(b"GET", b"HEAD"),
    "id in capitals": ONE.replace(BATTERY.encode(), BATTERY.upper().encode()),
    "a name of dots": with_fields(b"Host: x", first=b"GET /telemetry/.. HTTP/1.1"),
    "names of fields in capitals": with_fields(b"HOST: x", b"ACCEPT: */*"),
    "names of fields in small letters": with_fields(b"host: x", b"accept: */*"),
    "host with port": with_fields(b"Host: example.org:8080"),
    "host is an address": with_fields(b"Host: [::1]:8080"),
    "host without a space": with_fields(b"Host:x"),
    "host last": with_fields(b"Accept: a, b;q=0.5", b"Host: x"),
    "kept alive": with_fields(b"Host: x", b"Connection: keep-alive", b"Keep-Alive: timeout=5"),
    "kept alive in capitals": with_fields(b"CONNECTION: KEEP-ALIVE", b"Host: x"),
    "fields that mean nothing here": with_fields(
        b"Host: x",
        b"Range: bytes=0-1",
        b"Cookie: session=1; a",
        b"Accept-Encoding: br, deflate",
        b"Content-Type: text/plain",
        b"TE: trailers",
        b"X-Forwarded-Host: ..",
        b"X-Empty:",
        b"X-Tab:\ta\t",
        b"Sec-Fetch-Site: same-origin",
        b"Sec-Fetch-Mode: cors",
    ),
    "pipelined": ONE + ALL + SILENT,
}
"""Requests that the fast lane answers."""

SLOW = {
    "name with a space": ONE.replace(BATTERY.encode(), b"east%20roof"),
    "unknown asset": UNKNOWN,
    "query": ALL.replace(b"/telemetry", b"/telemetry?a=1"),
    "empty query": ALL.replace(b"/telemetry", b"/telemetry?"),
    "slash at the end": ALL.replace(b"/telemetry", b"/telemetry/"),
    "history": ALL.replace(b"/telemetry", b"/telemetry/pump/history"),
    "absolute target": ALL.replace(b"/telemetry", b"http://x/telemetry"),
    "another path": ALL.replace(b"/telemetry", b"/telemetry2"),
    "POST": ALL.replace(b"GET", b"POST"),
    "OPTIONS": ALL.replace(b"GET", b"OPTIONS"),
    "method in small letters": ALL.replace(b"GET", b"get"),
    "no host's name": with_fields(b"Host: "),
    "host with an empty label": with_fields(b"Host: a..b"),
    "host with a long label": with_fields(b"Host: " + b"a" * 64),
    "host with a list": with_fields(b"Host: a, b"),
    "body": with_fields(b"Host: x", b"Content-Length: 2") + b"{}",
    "body of nothing": with_fields(b"Host: x", b"content-length: 0"),
    "body in chunks": with_fields(b"Host: x", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "expect": with_fields(b"Host: x", b"Expect: 100-continue", b"Content-Length: 2") + b"{}",
    "expect without a body": with_fields(b"Host: x", b"Expect: 100-continue"),
    "escape in the path": with_fields(b"Host: x", first=b"GET /telemetry/%41 HTTP/1.1"),
    "upgrade to nothing": with_fields(b"Host: x", b"Connection: upgrade", b"Upgrade: x"),
    "folded field": with_fields(b"Host: x", b"X-A: a", b" b"),
    "bare line feeds": with_fields(b"Host: x").replace(b"\r\n", b"\n"),
    "if it has changed": with_fields(b"Host: x", b'If-None-Match: W/"1"'),
    "compressed": with_fields(b"Host: x", b"Accept-Encoding: br, gzip;q=0.5"),
    "compressed in any way": with_fields(b"Host: x", b"accept-encoding:*"),
    "as a table": with_fields(b"Host: x", b"Accept: text/csv"),
    "rather not JSON": with_fields(b"Host: x", b"Accept: application/json;q=0.1, */*;q=0.5"),
    "from a page": with_fields(b"Host: x", b"Origin: https://control.example"),
    "a stranger's host": with_fields(b"Host: evil.example"),
    "an address that is not the server's": with_fields(b"Host: 192.0.2.1"),
    "from another site": with_fields(b"Host: x", b"Sec-Fetch-Site: cross-site"),
    "request with a name": with_fields(b"Host: x", b"X-Request-Id: mine"),
    "empty line first": b"\r\n" + ALL,
}
"""Requests that the fast lane leaves to the app."""

LAST = {
    "HTTP/1.0 kept alive": with_fields(b"Connection: keep-alive", first=b"GET /telemetry HTTP/1.0"),
    "HTTP/1.0": ALL.replace(b"1.1", b"1.0"),
    "no host": with_fields(b"Accept: */*"),
    "two hosts": with_fields(b"Host: x", b"host: x"),
    "connection: close": with_fields(b"Host: x", b"Connection: close"),
    "connection: close later": with_fields(
        b"Host: x", b"Connection: keep-alive", b"Connection: close"
    ),
    "connection: both": with_fields(b"Host: x", b"Connection: keep-alive, close"),
    "upgrade to HTTP/2": with_fields(
        b"Host: x", b"Connection: upgrade, http2-settings", b"Upgrade: h2c", b"HTTP2-Settings: "
    ),
    "upgrade alone": with_fields(b"Host: x", b"Upgrade: h2c"),
    "field without a name": with_fields(b"Host: x", b": a"),
    "space before the colon": with_fields(b"Host: x", b"X-A : a"),
    "bytes beyond ASCII": with_fields(b"Host: x", "X-A: ä".encode()),
    "zero byte": with_fields(b"Host: x", b"X-A: a\0"),
    "two spaces": ALL.replace(b" HTTP", b"  HTTP"),
    "half a header": ALL[:-2],
    "nothing": b"",
}
"""Such requests too, after which the connection ends or waits for the rest of a request."""


class View(FakeView):
    """With assets of odd names."""

    def __init__(self) -> None:
        super().__init__()
        odd = [
            make_asset(f"{SITE[:-1]}{n}", name=name, site_id=SITE)
            for n, name in enumerate(("..", "east roof", "%41", "höhe"), 4)
        ]
        self.fleet = fleet_of(*make_fleet().assets.values(), *odd, site_name="Alamosa")


@dataclass(frozen=True)
class Played:
    """What a server made of a connection."""

    sent: bytes
    open_s: float
    """From the client's last byte to the connection's end."""
    failed: int


class CountedLane(TelemetryLane):
    """Counts the requests that it takes."""

    def __init__(self, view: FakeView, gate: AccessGate) -> None:
        super().__init__(view, LatestTexts(view), gate, TrustedHosts(HOSTS))
        self.taken = 0

    def find(self, data: bytes, start: int, address: str | None) -> TelemetryRequest | None:
        request = super().find(data, start, address)
        self.taken += request is not None
        return request


VIEW = View()
OPEN, ASKING = AccessGate(), make_gate(NOW)
"""Gates: of a headend that asks nobody, and of one that asks for tokens."""
LANES = {gate: CountedLane(VIEW, gate) for gate in (OPEN, ASKING)}
APPS = {gate: tuple(make_app(VIEW, gate) for _ in range(2)) for gate in LANES}
for gate, lane in LANES.items():
    APPS[gate][0].lane, APPS[gate][1].lane = lane, None


async def play(pieces: Sequence[bytes], app: RestApp) -> Played:
    """Sends the pieces one by one; tells what came."""
    async with serving_in_memory(app=app) as running:
        stream = await running.connect()
        received = b""

        async def collect() -> None:
            nonlocal received
            received = await receive_all(stream)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(collect)
            for piece in pieces:
                with contextlib.suppress(trio.BrokenResourceError):
                    await stream.send_all(piece)
                await wait_all_tasks_blocked()
            began = trio.current_time()
        open_s = round(trio.current_time() - began, 3)
        return Played(received, open_s, running.server.statistics().failed)


def play_both(pieces: Sequence[bytes], gate: AccessGate = OPEN) -> tuple[Played, int]:
    """Plays it on both lanes; tells what came, and how many requests the fast one took."""
    lane = LANES[gate]
    before = lane.taken
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hypercorn.config, "time", lambda: 1_769_860_800.0)
        patch.setattr(RequestIds, "new", lambda _: b"00000000-00000000")
        patch.setattr(LatestTexts, "_tag", lambda *_: 'W/"0-0"')
        fast, slow = (
            trio.run(play, pieces, app, clock=MockClock(autojump_threshold=0)) for app in APPS[gate]
        )
    assert fast == slow
    return fast, lane.taken - before


@pytest.mark.parametrize("name", FAST)
def test_the_lane_answers_as_the_app_does(name: str) -> None:
    played, taken = play_both([FAST[name]])
    assert played.sent.count(b"HTTP/1.1 200 ") == taken > 0
    assert played.open_s == LIMITS.idle_s


@pytest.mark.parametrize("name", SLOW | LAST)
def test_the_lane_leaves_other_requests_to_the_app(name: str) -> None:
    assert play_both([(SLOW | LAST)[name]])[1] == 0


def authorized(*tokens: str, first: bytes = b"GET /telemetry/pump HTTP/1.1") -> bytes:
    sent = [b"Authorization: Bearer " + token.encode() for token in tokens]
    return with_fields(b"Host: x", *sent, first=first)


@pytest.mark.parametrize("token", [VIEWER, OPERATOR, ADMIN])
def test_the_lane_answers_whoever_may_read(token: str) -> None:
    for first in (b"GET /telemetry HTTP/1.1", b"HEAD /telemetry/pump HTTP/1.1"):
        played, taken = play_both([authorized(token, first=first)] * 2, ASKING)
        assert played.sent.count(b"HTTP/1.1 200 ") == taken == 2


def test_the_lane_leaves_callers_of_some_sites_to_the_app() -> None:
    for token, status in ((ALAMOSA, b"200"), (NORTH, b"404")):
        played, taken = play_both([authorized(token)], ASKING)
        assert played.sent.startswith(b"HTTP/1.1 %b " % status)
        assert taken == 0


@pytest.mark.parametrize("tokens", [(), (EXPIRED,), (REVOKED,), (STRANGE,), (VIEWER, VIEWER)])
def test_the_lane_leaves_strangers_to_the_app(tokens: tuple[str, ...]) -> None:
    played, taken = play_both([authorized(*tokens), authorized(VIEWER)], ASKING)
    assert played.sent.startswith(b"HTTP/1.1 401 ")
    assert b"\r\nwww-authenticate: Bearer realm=" in played.sent
    assert played.sent.count(b"HTTP/1.1 200 ") == taken == 1


def test_a_header_beyond_the_bound_is_431_however_it_comes() -> None:
    fits = with_fields(b"Host: x", b"X-A: " + b"a" * (HEADER_BYTES - 48))
    assert len(fits) == HEADER_BYTES
    assert play_both([fits])[0].sent.startswith(b"HTTP/1.1 200 ")
    long = fits.replace(b"X-A: ", b"X-A: a")
    for pieces in ([long], [long[:-1], long[-1:]]):
        played, taken = play_both(pieces)
        assert played.sent.startswith(b"HTTP/1.1 431 ")
        assert b"header fields together are longer than " in played.sent
        assert taken == 0


@pytest.mark.parametrize("name", REQUESTS)
def test_a_malformed_request_ends_alike_on_both_servers(name: str) -> None:
    play_both([ONE + REQUESTS[name]])


def test_lanes_take_turns_on_a_connection() -> None:
    played, taken = play_both([ONE, HEALTH, ALL, UNKNOWN, SILENT])
    assert played.sent.count(b"HTTP/1.1 200 ") == 4
    assert taken == 3


def test_lanes_take_turns_in_one_piece() -> None:
    """Once Hypercorn holds bytes they are its own, in order."""
    played, taken = play_both([ONE + HEALTH + ALL + UNKNOWN + SILENT])
    assert played.sent.count(b"HTTP/1.1 ") == 5
    assert taken == 1


def test_a_header_in_pieces_goes_to_hypercorn() -> None:
    played, taken = play_both([ONE + ALL[:9], ALL[9:], SILENT])
    assert played.sent.count(b"HTTP/1.1 200 ") == 3
    assert taken == 2


def test_a_request_within_a_header_is_not_answered() -> None:
    played, taken = play_both([HEALTH[:-2], ONE])
    assert played.sent.startswith(b"HTTP/1.1 400 ")
    assert taken == 0


def test_a_request_within_a_body_is_not_answered() -> None:
    fields = (b"Host: x", b"Content-Type: application/json", b"Content-Length: %d" % len(ONE))
    order = with_fields(*fields, first=b"POST /dispatch HTTP/1.1")
    played, taken = play_both([order, ONE, ONE])
    assert played.sent.startswith(b"HTTP/1.1 400 ")
    assert taken == 1
    assert played.sent.count(b"HTTP/1.1 ") == 2


def test_a_request_waits_for_the_answer_before_it() -> None:
    thinking = b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"
    played, taken = play_both([thinking, ONE, ONE])
    assert played.sent.index(b"thought") < played.sent.index(b"battery-1")
    assert taken == 0


def test_a_connection_has_a_last_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "keep_alive_max_requests", 4)
    played, taken = play_both([ONE, HEALTH, ONE, ONE, ONE])
    assert taken == 2
    assert played.sent.count(b"HTTP/1.1 200 ") == 4
    assert b"connection: close" in played.sent
    assert played.open_s == 0


# What follows the last request of a connection races with that one's answer, in Hypercorn.
CONNECTIONS = st.tuples(
    st.lists(st.sampled_from([*FAST.values(), *SLOW.values(), HEALTH]), max_size=4).map(b"".join),
    st.sampled_from([b"", *LAST.values()]),
).map(b"".join)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_both_lanes_agree_however_the_bytes_are_cut(data: st.DataObject) -> None:
    sent = data.draw(CONNECTIONS)
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=5).map(sorted))
    ends = [*cuts, len(sent)]
    play_both([sent[start:end] for start, end in zip([0, *cuts], ends, strict=True)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_both_lanes_agree_whatever_byte_is_wrong(data: st.DataObject) -> None:
    sent = bytearray(data.draw(st.sampled_from(list(FAST.values()))))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(sent) - 1))
        sent[place : place + data.draw(st.integers(0, 1))] = data.draw(
            st.sampled_from(
                [b"", b" ", b"\r", b"\n", b"\r\n", b":", b"\0", b"%", b"/", b"a", b"\xff"]
            )
        )
    play_both([bytes(sent) + ONE])


async def test_an_answer_has_the_newest_sample(autojump_clock: MockClock) -> None:
    view = View()
    async with serving_in_memory(app=make_app(view)) as running:
        stream = await running.connect()
        _, _, first = (await ask(stream, ONE)).partition(b"\r\n\r\n")
        assert (await ask(stream, ONE)).endswith(first)
        sample = view.latest.get(BATTERY)
        assert sample is not None
        view.latest.offer(replace(sample, seq=sample.seq + 1, p_mw=0.75))
        assert b'"p_mw":0.75,' in await ask(stream, ONE)
        assert b'"p_mw":0.75,' in await ask(stream, ALL)


async def fill(stream: MemoryStream) -> None:
    """Asks for more than the connection holds, so that an answer is on its way."""
    await stream.send_all(ALL * 200)
    await wait_all_tasks_blocked()


async def test_a_reader_that_stalls_is_cut_off(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        await fill(await running.connect())
        await trio.sleep(LIMITS.send_s - 0.1)
        assert running.server.statistics().send_timeouts == 0
        assert (await ask(await running.connect(), ONE)).startswith(b"HTTP/1.1 200 ")
        await trio.sleep(0.2)
        assert running.server.statistics().send_timeouts == 1
        assert running.server.statistics().open == 1


async def test_a_reader_that_is_slow_but_reads_gets_all(autojump_clock: MockClock) -> None:
    view = FakeView()
    view.fleet = fleet_of(*make_loads(1200))
    async with serving_in_memory(app=make_app(view)) as running:
        slow = await running.connect()
        await slow.send_all(ALL)
        data = b""
        while not data.endswith(b'"next_cursor":null}'):
            await trio.sleep(LIMITS.send_s * 0.9)
            data += await receive(slow)
        assert len(data) > 4 * SEND_BYTES
        assert running.server.statistics().send_timeouts == 0


async def test_a_reader_that_leaves_is_not_a_failure(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        gone = await running.connect()
        await fill(gone)
        await gone.aclose()
        await wait_all_tasks_blocked()
        assert running.server.statistics().open == 0
        assert running.server.statistics().failed == 0


async def test_an_answer_under_way_is_complete_when_the_server_stops(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        whole = len(await ask(stream, ALL))
        await fill(stream)
        running.stopping.set()
        await wait_all_tasks_blocked()
        received = await receive_all(stream)
        assert len(received) > BUFFER_BYTES
        assert len(received) % whole == 0

"""What one HTTP/2 client may take: frames, time, memory. In memory, in virtual time."""

import contextlib

import h2.events
import pytest
import trio
from h2.exceptions import ProtocolError
from hypercorn.config import Config
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.httpserver import HttpLimits
from derhead.httpserver.app_call import RESERVED_BYTES, ROOM_BYTES
from derhead.httpserver.protocols.hypercorn_config import H2_STREAMS
from tests.stream.http.http2_client import (
    CONTINUATION,
    HEADERS,
    PING,
    SETTINGS,
    UNKNOWN,
    WINDOW_UPDATE,
    Http2Client,
    frame,
    is_calmed,
)
from tests.stream.http.stalls import MAX_STALL_S, longest_step
from tests.stream.http.support import (
    HEALTH,
    ask,
    large_app,
    receive,
    serving_either,
    serving_in_memory,
)
from tests.support.certificates import Certificates

LIMITS = HttpLimits()
ALL = b"GET /telemetry HTTP/1.1\r\nhost: x\r\n\r\n"
FLOODS = {
    "PING": frame(PING, bytes(8)),
    "SETTINGS": frame(SETTINGS),
    "SETTINGS of thousands": frame(
        SETTINGS, b"".join(n.to_bytes(2, "big") + bytes(4) for n in range(9, 2_700))
    ),
    "WINDOW_UPDATE": frame(WINDOW_UPDATE, b"\0\0\0\1"),
    "unknown": frame(UNKNOWN),
    "PRIORITY": frame(2, bytes(5), stream=1),
    "small DATA": frame(0, b"", stream=1),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_of_frames_ends_its_connection_and_stalls_nobody(
    name: str, secure: Certificates | None, autojump_clock: MockClock
) -> None:
    async with serving_either(secure) as running:
        client = Http2Client(await running.connect())
        client.h2.send_headers(
            1, [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/x")]
        )
        await client.flush()
        flood = FLOODS[name] * (LIMITS.h2_control_frames * 4)
        with longest_step() as measured, trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.flush, flood)
                assert is_calmed(await client.read_to_end())
        assert measured.longest_s < MAX_STALL_S
        await trio.sleep(2)
        statistics = running.server.statistics()
        assert (statistics.open, statistics.floods) == (0, 1)


async def test_a_flood_of_resets_ends_its_connection(
    secure: Certificates | None, autojump_clock: MockClock
) -> None:
    async with serving_either(secure) as running:
        client = Http2Client(await running.connect())

        async def flood() -> None:
            with contextlib.suppress(ProtocolError):
                for _ in range(LIMITS.h2_resets + 2):
                    client.h2.reset_stream(await client.get("/healthz"))
                    await client.flush()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            assert is_calmed(await client.read_to_end())
        assert running.server.statistics().floods == 1


HEAD_OF_HEADERS = frame(HEADERS, b"\x82", stream=1)
"""A request's header that goes on in CONTINUATION frames."""

NO_HEADERS = {
    "endless pieces": HEAD_OF_HEADERS + frame(CONTINUATION, b"\0\1a\1b", stream=1) * 10_000,
    "endless pieces of nothing": HEAD_OF_HEADERS + frame(CONTINUATION, stream=1) * 10_000,
    "large pieces": HEAD_OF_HEADERS + frame(CONTINUATION, bytes(16_384), stream=1) * 100,
    # One field of 4 kB in the table, then a thousand references to it, a byte each.
    "a bomb": frame(HEADERS, b"\x40\1a\x7f\xa1\x1e" + b"y" * 4_000 + b"\xbe" * 1_000, 1, 5),
}


@pytest.mark.parametrize("name", NO_HEADERS)
async def test_a_header_beyond_the_bounds_ends_its_connection_and_is_counted(
    name: str, secure: Certificates | None, autojump_clock: MockClock
) -> None:
    async with serving_either(secure) as running, trio.open_nursery() as nursery:
        client = Http2Client(await running.connect())
        with longest_step() as measured, trio.fail_after(60):
            nursery.start_soon(client.flush, NO_HEADERS[name])
            await client.read_to_end()
        assert measured.longest_s < MAX_STALL_S
        await trio.sleep(2)
        statistics = running.server.statistics()
        assert (statistics.open, statistics.floods) == (0, 1)
        nursery.cancel_scope.cancel()


async def test_a_header_that_drips_is_cut_off_and_counted(
    secure: Certificates | None, autojump_clock: MockClock
) -> None:
    async with serving_either(secure) as running, trio.open_nursery() as nursery:
        client = Http2Client(await running.connect())
        await client.flush(frame(HEADERS, b"\x82" * 1_000, stream=1)[:20])

        async def drip() -> None:
            while True:
                await trio.sleep(1)
                await client.flush(b"\x82")

        nursery.start_soon(drip)
        began = trio.current_time()
        await client.read_to_end()
        assert trio.current_time() - began <= LIMITS.idle_s
        assert running.server.statistics().slow_heads == 1
        nursery.cancel_scope.cancel()


async def test_a_body_that_drips_is_408_and_counted(
    secure: Certificates | None, autojump_clock: MockClock
) -> None:
    async with serving_either(secure) as running, trio.open_nursery() as nursery:
        client = Http2Client(await running.connect())
        fields = [(":method", "POST"), (":scheme", "http"), (":authority", "x")]
        fields += [(":path", "/dispatch"), ("content-type", "application/json")]
        client.h2.send_headers(1, fields)
        await client.flush()

        async def drip() -> None:
            while True:
                await client.flush(frame(0, b" ", stream=1))
                await trio.sleep(1)

        nursery.start_soon(drip)
        statuses: list[bytes] = []
        while not statuses:
            answers = await client.read()
            statuses = [
                dict(each.headers)[b":status"]
                for each in answers
                if isinstance(each, h2.events.ResponseReceived)
            ]
        assert statuses == [b"408"]
        nursery.cancel_scope.cancel()
        await trio.sleep(1)
        assert running.server.statistics().slow_bodies == 1


@pytest.mark.parametrize("asks_first", [False, True])
async def test_a_connection_that_only_pings_is_idle(
    asks_first: bool, autojump_clock: MockClock
) -> None:
    async with serving_in_memory() as running:
        client = Http2Client(await running.connect())
        if asks_first:
            await client.get("/healthz")
            await trio.sleep(1)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping_on, client)
            await client.read_to_end()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began <= LIMITS.idle_s


async def ping_on(client: Http2Client) -> None:
    """Pings every 5 s, until cancelled."""
    while True:
        await client.flush(frame(PING, bytes(8)))
        await trio.sleep(5)


@pytest.mark.parametrize("path", ["/firehose", "/telemetry", "/events"])
async def test_an_answer_that_is_not_taken_ends_whatever_else_its_client_sends(
    path: str, autojump_clock: MockClock
) -> None:
    async with serving_in_memory() as running, trio.open_nursery() as nursery:
        client = Http2Client(await running.connect(), window=0)
        await client.get(path)
        nursery.start_soon(ping_on, client)
        await client.read_to_end()
        nursery.cancel_scope.cancel()
        await trio.sleep(2)
        assert running.server.statistics().open == 0
        assert trio.current_time() < LIMITS.response_s + LIMITS.send_s + 10


async def test_one_connection_holds_no_more_than_its_room(autojump_clock: MockClock) -> None:
    app = large_app()
    async with serving_in_memory(app=app) as running:
        whole = len(
            await ask(await running.connect(), b"GET /telemetry HTTP/1.1\r\nhost: x\r\n\r\n")
        )
        client = Http2Client(await running.connect(), window=0)
        for _ in range(H2_STREAMS):
            await client.get("/telemetry")
        await wait_all_tasks_blocked()
        at_once = ROOM_BYTES // RESERVED_BYTES
        assert whole > RESERVED_BYTES
        assert whole < running.server.statistics().held_bytes <= at_once * whole
        # It has its answers, all of them, once it takes them.
        client.h2.update_settings({4: 2**30})
        client.h2.increment_flow_control_window(2**30)
        await client.flush()
        ended = 0
        while ended < H2_STREAMS:
            ended += sum(isinstance(each, h2.events.StreamEnded) for each in await client.read())
        await wait_all_tasks_blocked()
        assert running.server.statistics().held_bytes == 0


async def test_all_connections_hold_no_more_than_the_bound_and_others_are_served(
    autojump_clock: MockClock,
) -> None:
    most = 2 * 1024 * 1024
    app = large_app()
    async with serving_in_memory(HttpLimits(held_bytes=most), app) as running:
        clients = []
        for _ in range(6):
            clients.append(Http2Client(await running.connect(), window=0))
            for _ in range(H2_STREAMS):
                await clients[-1].get("/telemetry")
                assert running.server.statistics().held_bytes <= most
            await wait_all_tasks_blocked()
        statistics = running.server.statistics()
        assert statistics.held_bytes <= most
        assert statistics.given_up > 0
        await trio.sleep(1)
        reader = await running.connect()
        assert (await ask(reader, HEALTH)).startswith(b"HTTP/1.1 200 ")
        answer = await ask(reader, ALL)
        assert answer.endswith(b'"next_cursor":null}')


async def test_slow_readers_over_http_1_hold_no_more_than_the_bound(
    autojump_clock: MockClock,
) -> None:
    most = 2 * 1024 * 1024
    app = large_app()
    async with serving_in_memory(HttpLimits(held_bytes=most), app) as running:
        for accept in (b"*/*", b"application/json;q=1") * 8:
            slow = await running.connect()
            head = b"GET /telemetry HTTP/1.1\r\nhost: x\r\naccept: " + accept + b"\r\n\r\n"
            await slow.send_all(head)
            await wait_all_tasks_blocked()
            assert running.server.statistics().held_bytes <= most
        assert running.server.statistics().given_up > 0


@pytest.mark.parametrize("lane", [b"*/*", b"application/json;q=1"], ids=["fast", "slow"])
async def test_a_steady_reader_stays_when_one_that_reads_nothing_gives_way(
    lane: bytes, autojump_clock: MockClock
) -> None:
    app = large_app()
    head = b"GET /telemetry HTTP/1.1\r\nhost: x\r\naccept: " + lane + b"\r\n\r\n"
    async with serving_in_memory(HttpLimits(held_bytes=800_000), app) as running:
        steady = await running.connect()
        await steady.send_all(head)
        answer = b""
        stalled = None
        while not answer.endswith(b'"next_cursor":null}'):
            piece = await receive(steady)
            assert piece
            answer += piece
            if stalled is None:
                stalled = await running.connect()
                await stalled.send_all(head)
            await trio.sleep(2)
            if running.server.statistics().given_up == 0:
                third = await running.connect()
                await third.send_all(head)
        assert running.server.statistics().given_up > 0


@pytest.mark.parametrize(
    ("path", "authority"),
    [
        *(("/healthz", name) for name in ("a b", "c@d", "a/b", "a..b")),
        *((path, "x") for path in ("?", "healthz", "http://[/x", "/a b", "/\u00e9")),
    ],
)
async def test_a_bad_authority_or_path_is_400(
    path: str, authority: str, autojump_clock: MockClock
) -> None:
    async with serving_in_memory() as running:
        client = Http2Client(await running.connect())
        client.h2.config.validate_outbound_headers = False
        await client.get(path, authority)
        heads = [
            each
            for each in await client.read_to_end()
            if isinstance(each, h2.events.ResponseReceived)
        ]
        assert dict(heads[0].headers or ())[b":status"] == b"400"


async def test_a_body_that_goes_on_after_its_answer_leaves_other_requests_alone(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory() as running:
        client = Http2Client(await running.connect())
        client.h2.send_headers(
            1, [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", "/assets")]
        )
        await client.flush()
        await wait_all_tasks_blocked()
        await client.flush(frame(0, bytes(300), stream=1) * 3)
        number = await client.get("/healthz")
        ended = set()
        while number not in ended:
            events = await client.read()
            assert events
            ended |= {each.stream_id for each in events if isinstance(each, h2.events.StreamEnded)}
        assert running.server.statistics().failed == 0


async def test_a_connection_serves_any_number_of_requests(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Config, "keep_alive_max_requests", 4)
    async with serving_in_memory() as running:
        client = Http2Client(await running.connect())
        for _ in range(12):
            number, ended = await client.get("/healthz"), False
            while not ended:
                events = await client.read()
                assert events
                ended = any(
                    isinstance(each, h2.events.StreamEnded) and each.stream_id == number
                    for each in events
                )

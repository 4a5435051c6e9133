"""Answers that are sent while their pages are read: how far ahead, and how a failure shows."""

import tracemalloc

import h2.connection
import h2.events
import pytest
import trio
from trio.testing import MockClock

from derhead.api.answering.paging import PAGE_ITEMS
from derhead.httpserver import HttpLimits
from tests.stream.http.support import (
    HEALTH,
    Serving,
    ask,
    make_app,
    receive,
    receive_all,
    reset,
    serving,
    serving_in_memory,
)
from tests.support.api.fake_headend import FakeView
from tests.support.api.long_history import LongHistory

LIMITS = HttpLimits()
PATH = b"/telemetry/battery-1/history"
LINE_BYTES = 150
"""Bytes of a sample in CSV, at least."""


def request(version: bytes = b"1.1") -> bytes:
    return b"GET " + PATH + b" HTTP/" + version + b"\r\nhost: x\r\naccept: text/csv\r\n\r\n"


def view_of(count: int, fails_after: int | None = None) -> tuple[FakeView, LongHistory]:
    view = FakeView()
    view.history = history = LongHistory(count=count, fails_after=fails_after)
    return view, history


async def test_a_reader_that_stalls_holds_up_the_reading(autojump_clock: MockClock) -> None:
    view, history = view_of(1_000_000)
    async with serving_in_memory(app=make_app(view)) as running:
        stalled = await running.connect()
        await stalled.send_all(request())
        await trio.sleep(LIMITS.send_s - 1)
        ahead = len(history.asked)
        # A few pages lie in the stream's buffer; no more are read.
        assert ahead * PAGE_ITEMS * LINE_BYTES < 2**20
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")
        await trio.sleep(3)
        assert running.server.statistics().send_timeouts == 1
        assert len(history.asked) == ahead


async def test_a_slow_reader_gets_it_all(autojump_clock: MockClock) -> None:
    view, _ = view_of(5 * PAGE_ITEMS)
    async with serving_in_memory(app=make_app(view)) as running:
        slow = await running.connect()
        await slow.send_all(request())
        answer = b""
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            piece = await receive(slow)
            assert piece
            answer += piece
            await trio.sleep(LIMITS.send_s / 2)
        # Longer than any other answer may take.
        assert trio.current_time() > LIMITS.response_s
        assert answer.count(b"agent-1") == 5 * PAGE_ITEMS


async def test_the_connection_serves_on_after_a_long_answer() -> None:
    view, _ = view_of(2 * PAGE_ITEMS)
    async with serving(app=make_app(view)) as running, await running.connect() as stream:
        await stream.send_all(request())
        answer = b""
        while not answer.endswith(b"\r\n0\r\n\r\n"):
            answer += await receive(stream)
        assert (await ask(stream, HEALTH)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_an_answer_that_fails_half_way_looks_incomplete(
    version: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    view, _ = view_of(100_000, fails_after=3 * PAGE_ITEMS)
    async with serving(app=make_app(view)) as running, await running.connect() as stream:
        await stream.send_all(request(version))
        pieces: list[bytes | bytearray] = []
        with pytest.raises(trio.BrokenResourceError):
            await drain(stream, pieces)
        data = b"".join(pieces)
        assert data.startswith(b"HTTP/1.1 200 ")
        assert not data.endswith(b"0\r\n\r\n")
    (line,) = caplog.text.splitlines()
    keys = 'method=GET path=/telemetry/battery-1/history reason="the journal cannot be read"'
    assert f'event="answer was cut off" {keys}' in line


async def test_a_failed_answer_over_http_2_does_not_look_complete() -> None:
    view, _ = view_of(100_000, fails_after=3 * PAGE_ITEMS)
    async with serving(app=make_app(view)) as running, await running.connect() as stream:
        client = h2.connection.H2Connection()
        client.initiate_connection()
        client.increment_flow_control_window(2**24)
        client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**24})
        headers = [(":method", "GET"), (":path", PATH.decode()), (":scheme", "http")]
        headers += [(":authority", "x"), ("accept", "text/csv")]
        client.send_headers(1, headers, end_stream=True)
        await stream.send_all(client.data_to_send())
        kinds = set()
        while data := await receive(stream):
            kinds |= {type(event) for event in client.receive_data(data)}
            await stream.send_all(client.data_to_send())
        assert h2.events.DataReceived in kinds
        assert h2.events.StreamEnded not in kinds


@pytest.mark.parametrize("with_reset", [True, False])
async def test_a_client_that_leaves_ends_the_reading(with_reset: bool) -> None:
    view, history = view_of(1_000_000_000)
    async with serving(app=make_app(view)) as running:
        for _ in range(20):
            stream = await running.connect()
            await stream.send_all(request())
            assert b"200" in await receive(stream)
            if with_reset:
                reset(stream)
            await stream.aclose()
        await all_closed(running)
        asked = len(history.asked)
        # More than may be on their way at once: none of them still counts.
        async with await running.connect() as stream:
            await stream.send_all(request())
            assert b" 200 " in await receive(stream)
            assert len(history.asked) > asked


async def test_long_answers_beyond_the_bound_get_503() -> None:
    view, _ = view_of(1_000_000_000)
    async with serving(app=make_app(view)) as running, trio.open_nursery() as nursery:
        streams = [await running.connect() for _ in range(17)]
        heads = []

        async def begin(stream: trio.SocketStream) -> None:
            await stream.send_all(request())
            heads.append((await receive(stream)).partition(b"\r\n")[0])
            await nothing_more.wait()
            await stream.aclose()

        nothing_more = trio.Event()
        for stream in streams:
            nursery.start_soon(begin, stream)
        while len(heads) < 17:
            await trio.lowlevel.checkpoint()
        assert sorted(heads) == [b"HTTP/1.1 200 "] * 16 + [b"HTTP/1.1 503 "]
        nothing_more.set()


async def test_a_stopping_server_cuts_a_long_answer_off() -> None:
    view, _ = view_of(1_000_000_000)
    limits = HttpLimits(grace_s=0.1)
    async with serving(limits, make_app(view)) as running, await running.connect() as stream:
        await stream.send_all(request())
        await receive(stream)
        running.stopping.set()
        data = await receive_all(stream)
        assert not data.endswith(b"0\r\n\r\n")
        await running.ended.wait()


async def test_a_long_answer_costs_no_memory() -> None:
    peaks = []
    for count in (5 * PAGE_ITEMS, 50 * PAGE_ITEMS):
        view, _ = view_of(count)
        async with serving(app=make_app(view)) as running, await running.connect() as stream:
            await stream.send_all(request())
            tracemalloc.start()
            taken, end = 0, b""
            while not end.endswith(b"\r\n0\r\n\r\n"):
                piece = await receive(stream)
                taken, end = taken + len(piece), (end + piece)[-7:]
                # What was asked of the fake would be kept.
                view.history.asked.clear()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert taken > count * LINE_BYTES
    assert peaks[1] < peaks[0] + 2**19


async def drain(stream: trio.SocketStream, pieces: list[bytes | bytearray]) -> None:
    """Appends what comes until the stream's end."""
    while piece := await stream.receive_some(65536):
        pieces.append(piece)


async def all_closed(running: Serving[trio.SocketStream]) -> None:
    with trio.fail_after(10):
        while running.server.statistics().open:
            await trio.lowlevel.checkpoint()

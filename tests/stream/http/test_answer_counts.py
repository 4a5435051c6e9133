"""The server counts its answers, and how long they took, in virtual time."""

import pytest
import trio
from trio.testing import MockClock

from derproto.metrics.histogram import HistogramCounts
from tests.stream.http.support import SLOW_S, ask, serving_in_memory


def request(path: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nhost: x\r\n\r\n" % path


def took(counts: HistogramCounts) -> tuple[int, float]:
    """How many, and how long in all."""
    return sum(counts.counts), counts.total


async def test_both_lanes_count_their_answers(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        assert b"HTTP/1.1 200 " in await ask(stream, request(b"/telemetry"))
        assert b"thought" in await ask(stream, request(b"/slow"))
        assert b"HTTP/1.1 404 " in await ask(stream, request(b"/nothing"))
        await trio.sleep(0.01)
        statistics = running.server.statistics()
    assert statistics.answers == {"1xx": 0, "2xx": 2, "3xx": 0, "4xx": 1, "5xx": 0}
    assert took(statistics.answer_s["fast"]) == (1, 0.0)
    count, total_s = took(statistics.answer_s["app"])
    assert count == 2
    assert total_s == pytest.approx(SLOW_S, abs=0.01)
    assert statistics.requests_refused == 0


async def test_a_request_that_breaks_http_is_counted_as_refused(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        assert b"HTTP/1.1 400 " in await ask(stream, b"GET / HTTP/9\r\n\r\n")
        statistics = running.server.statistics()
    assert statistics.requests_refused == 1
    assert sum(statistics.answers.values()) == 0


async def test_a_stream_of_events_has_no_duration(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(request(b"/events"))
        assert b"text/event-stream" in await stream.receive_some()
        await trio.sleep(100)
        await stream.aclose()
        await trio.sleep(1)
        statistics = running.server.statistics()
    assert statistics.answers["2xx"] == 1
    assert took(statistics.answer_s["app"]) == (0, 0.0)

"""A slow client holds up its own connection only, and only within the limits.

In memory, in virtual time, with the limits that a headend has by default.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.audit import AuditAction
from derhead.httpserver import HttpLimits
from derproto.triogrpc.testing import MemoryStream
from tests.stream.http.malformed import REQUESTS
from tests.stream.http.support import (
    HEALTH,
    ask,
    make_app,
    receive,
    receive_all,
    serving_in_memory,
)
from tests.support.api.fake_headend import FakeView

LIMITS = HttpLimits()
LINGER_S = 1.0
"""Time that a closing connection waits for the client to close its side."""
ORDER = b"POST /dispatch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
FIREHOSE = b"GET /firehose HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def dripping(stream: MemoryStream, drip: bytes) -> AsyncIterator[None]:
    """Sends the bytes every second while the block runs."""

    async def drip_on() -> None:
        try:
            while True:
                await stream.send_all(drip)
                await trio.sleep(1)
        except trio.BrokenResourceError:
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip_on)
        yield
        nursery.cancel_scope.cancel()


async def until_closed(stream: MemoryStream) -> tuple[bytes, float]:
    """What the server still sends, and after how long it closes the connection."""
    began = trio.current_time()
    return await receive_all(stream), round(trio.current_time() - began, 3)


async def test_a_silent_connection_is_closed(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        assert await until_closed(stream) == (b"", LIMITS.idle_s)
        await trio.sleep(LINGER_S + 0.1)
        assert running.server.statistics().open == 0
        assert running.server.statistics().slow_heads == 0


async def test_a_header_that_drips_is_cut_off(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"GET /healthz HTTP/1.1\r\n")
        async with dripping(stream, b"x-a: b\r\n"):
            assert await until_closed(stream) == (b"", LIMITS.idle_s)
        assert running.server.statistics().slow_heads == 1


async def test_a_header_that_ends_with_the_connection_is_400(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"GET /healthz HTTP/1.1\r\nhost")
        await stream.send_eof()
        assert (await receive_all(stream)).startswith(b"HTTP/1.1 400 ")


async def test_a_body_that_drips_is_408_and_a_refused_order(autojump_clock: MockClock) -> None:
    view = FakeView()
    async with serving_in_memory(app=make_app(view)) as running:
        stream = await running.connect()
        await stream.send_all(ORDER + b"content-length: 1000\r\n\r\n")
        async with dripping(stream, b" "):
            answer, seconds = await until_closed(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"application/problem+json" in answer
        assert seconds == LIMITS.body_s
    (entry,) = view.audited.entries
    assert entry.action is AuditAction.ORDER_REFUSED
    assert entry.detail == "the body took longer than 10 s"


async def test_a_body_that_drips_after_the_answer_is_cut_off(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"POST /assets HTTP/1.1\r\nhost: x\r\ncontent-length: 99999\r\n\r\n")
        async with dripping(stream, b"a"):
            answer, seconds = await until_closed(stream)
            assert answer.startswith(b"HTTP/1.1 405 ")
            assert seconds == 0
            await trio.sleep(LINGER_S + 0.1)
            assert running.server.statistics().open == 0


@pytest.mark.parametrize("more", [b"", HEALTH], ids=["alone", "before a pipelined request"])
async def test_a_reader_that_stalls_is_cut_off(more: bytes, autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stalled = await running.connect()
        await stalled.send_all(FIREHOSE + more)
        await trio.sleep(LIMITS.send_s - 0.1)
        assert running.server.statistics().open == 1
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")
        await trio.sleep(0.2)
        assert running.server.statistics().open == 1
        assert running.server.statistics().send_timeouts == 1


async def test_a_reader_that_is_slow_but_reads_is_served(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        slow = await running.connect()
        await slow.send_all(FIREHOSE)
        for _ in range(10):
            assert await receive(slow)
            await trio.sleep(LIMITS.send_s / 2)
        assert running.server.statistics().send_timeouts == 0


@pytest.mark.parametrize(
    "name", ["ws no key", "ws bad version", "ws bad extension", "h2 initial window 0"]
)
async def test_connections_that_hypercorn_leaves_open_are_closed(
    name: str, autojump_clock: MockClock
) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(REQUESTS[name])
        _, seconds = await until_closed(stream)
        assert seconds <= LIMITS.response_s
        await trio.sleep(LINGER_S + 0.1)
        assert running.server.statistics().open == 0


async def test_a_request_without_an_answer_is_given_up(autojump_clock: MockClock) -> None:
    async with serving_in_memory(HttpLimits(response_s=0.5)) as running:
        stream = await running.connect()
        await stream.send_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await until_closed(stream) == (b"", 0.5)


async def test_the_idle_time_begins_anew_after_each_answer(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        for _ in range(5):
            assert (await ask(stream, HEALTH)).startswith(b"HTTP/1.1 200 ")
            await trio.sleep(LIMITS.idle_s - 1)
        assert running.server.statistics().accepted == 1
        assert await until_closed(stream) == (b"", 1)


async def test_connections_beyond_the_bound_are_refused_until_one_ends(
    autojump_clock: MockClock,
) -> None:
    async with serving_in_memory(HttpLimits(max_connections=2)) as running:
        first, second = await running.connect(), await running.connect()
        await ask(second, HEALTH)
        assert await until_closed(await running.connect()) == (b"", 0)
        assert running.server.statistics().refused == 1
        await first.aclose()
        await wait_all_tasks_blocked()
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")
        assert running.server.statistics().accepted == 3


async def test_a_client_that_has_finished_sending_may_still_read(autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
        await stream.send_eof()
        answer = await receive_all(stream)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\nthought")

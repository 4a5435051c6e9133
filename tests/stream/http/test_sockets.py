"""Buffers and resets of the kernel's sockets, under limits short enough to wait for."""

import json
import re

import pytest
import trio

from derhead.httpserver import HttpLimits
from tests.stream.http.support import HEALTH, ask, is_healthy, receive_all, serving

QUICK = HttpLimits(idle_s=0.3, send_s=0.3, grace_s=0.3)


async def test_a_connection_serves_many_requests() -> None:
    async with serving() as running, await running.connect() as stream:
        for _ in range(20):
            assert b'{"status":"ok",' in await ask(stream, HEALTH)
        assert running.server.statistics().accepted == 1


async def test_head_answers_without_a_body() -> None:
    async with serving() as running, await running.connect() as stream:
        await stream.send_all(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        head, _, body = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert re.search(rb"content-length: [1-9]", head.lower())
    assert body == b""


async def test_a_body_too_long_is_413_and_the_client_gets_it() -> None:
    """Closed over unread bytes, TCP would reset the connection, and the answer be lost."""
    order = b"POST /dispatch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    body = b"x" * 500_000
    with trio.fail_after(10):
        async with serving() as running, await running.connect() as stream:
            await stream.send_all(order + b"content-length: %d\r\n\r\n" % len(body) + body)
            head, _, text = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert json.loads(text)["status"] == 413


@pytest.mark.parametrize("stops", [False, True], ids=["in time", "at the stop"])
async def test_a_reader_that_stalls_is_cut_off(stops: bool) -> None:
    limits = HttpLimits(send_s=60, grace_s=0.3) if stops else QUICK
    with trio.fail_after(10):
        async with serving(limits) as running, await running.connect() as stalled:
            await stalled.send_all(b"GET /firehose HTTP/1.1\r\nhost: x\r\n\r\n")
            assert await is_healthy(running.port)
            if stops:
                running.stopping.set()
                await running.ended.wait()
            else:
                await trio.sleep(1)
                assert running.server.statistics().send_timeouts == 1
            # What the kernel held comes first, then the end.
            assert await receive_all(stalled)


async def test_a_header_that_stops_is_cut_off() -> None:
    with trio.fail_after(10):
        async with serving(QUICK) as running, await running.connect() as stream:
            await stream.send_all(b"GET /healthz HTTP/1.1\r\nx-a:")
            assert await receive_all(stream) == b""


async def test_one_address_has_half_of_the_places_and_another_is_served() -> None:
    with trio.fail_after(10):
        async with (
            serving(HttpLimits(max_connections=4)) as running,
            await running.connect() as first,
            await running.connect() as second,
            await running.connect() as third,
            await trio.open_tcp_stream(
                "127.0.0.1", running.port, local_address="127.0.0.2"
            ) as other,
        ):
            assert (await ask(first, HEALTH)).startswith(b"HTTP/1.1 200 ")
            assert (await ask(second, HEALTH)).startswith(b"HTTP/1.1 200 ")
            assert await receive_all(third) == b""
            assert running.server.statistics().refused == 1
            assert (await ask(other, HEALTH)).startswith(b"HTTP/1.1 200 ")
            await first.aclose()
            while running.server.statistics().open > 2:
                await trio.lowlevel.checkpoint()
            assert await is_healthy(running.port)

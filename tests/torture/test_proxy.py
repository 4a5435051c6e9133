"""The bad link is as bad as it should be, and no worse."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from tests.support.processes.proxy import Proxy


async def echo(stream: trio.SocketStream) -> None:
    async for chunk in stream:
        await stream.send_all(chunk)


@asynccontextmanager
async def proxied() -> AsyncIterator[Proxy]:
    """A proxy before a server that sends back what it gets."""
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, echo, 0)
        proxy = Proxy(listeners[0].socket.getsockname()[1])
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected(proxy: Proxy) -> AsyncIterator[trio.SocketStream]:
    """A connection through the proxy over which something has passed."""
    async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as stream:
        await stream.send_all(b"hello")
        assert await stream.receive_some() == b"hello"
        yield stream


async def is_ended(stream: trio.SocketStream) -> bool:
    """Whether the other side ended the connection."""
    try:
        with trio.fail_after(1):
            return await stream.receive_some() == b""
    except trio.BrokenResourceError:
        return True


async def says_nothing(stream: trio.SocketStream) -> bool:
    """Whether neither an answer nor an end comes."""
    with trio.move_on_after(0.05) as waiting:
        await stream.receive_some()
    return waiting.cancelled_caught


async def test_a_cut_ends_every_connection_and_refuses_new_ones() -> None:
    async with proxied() as proxy, connected(proxy) as before:
        with proxy.cut():
            assert await is_ended(before)
            async with await trio.open_tcp_stream("127.0.0.1", proxy.port) as refused:
                assert await is_ended(refused)
        async with connected(proxy):
            pass


async def test_a_stall_delays_every_byte_and_loses_none() -> None:
    async with proxied() as proxy, connected(proxy) as stream:
        with proxy.stall():
            await stream.send_all(b"late")
            assert await says_nothing(stream)
        assert await stream.receive_some() == b"late"


async def test_a_lost_answer_is_lost_with_its_connection() -> None:
    async with proxied() as proxy, connected(proxy) as stream:
        with proxy.lose_answers():
            await stream.send_all(b"asked")
            assert await is_ended(stream)
        async with connected(proxy):
            pass


async def test_a_half_open_connection_tells_the_agent_nothing() -> None:
    async with proxied() as proxy:
        async with connected(proxy) as stream, connected(proxy) as other:
            await proxy.half_open(random.Random(0))
            await proxy.half_open(random.Random(0))
            for each in (stream, other):
                await each.send_all(b"anybody there?")
                assert await says_nothing(each)
        async with connected(proxy):
            pass

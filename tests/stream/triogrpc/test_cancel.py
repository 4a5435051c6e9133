"""Cancellation at every step: whatever is cancelled when, nothing is left behind.

Each test runs one small story again and again, and cancels one side of it after the
first, the second, the third step that any task takes, until the story gets to its end.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc import (
    Channel,
    ConnectionLost,
    GRPCError,
    LinkLimits,
    Server,
    ServerStream,
    Status,
    connect,
)
from derproto.triogrpc.testing import MemoryNetwork
from tests.stream.triogrpc.support import BOTH, CODEC, DOWN, ECHO, call_unary, serving
from tests.support.interference import after_steps, living_tasks

MAX_STEPS = 3000
LIMITS = LinkLimits(stream_window_bytes=20_000, max_streams=2, write_buffer_bytes=20_000)
LARGE = bytes(50_000)


async def talk(channel: Channel) -> None:
    """A little of everything: one call inside another, whole and in parts."""
    assert await call_unary(channel, b"hello", timeout=1000) == b"hello"
    async with channel.request(BOTH) as stream:
        await stream.send_message(LARGE)
        assert await stream.recv_message() == LARGE
        async with channel.request(DOWN) as down:
            await down.send_message(b"ab", end=True)
            assert await down.recv_message() == b"a"
        await stream.end()
        assert await stream.recv_message() is None


async def repeat(run: Callable[[int], Awaitable[bool]], every: int = 1) -> None:
    """``run`` with each number of steps, until it says that its story ended before."""
    for steps in range(1, MAX_STEPS, every):
        before = living_tasks()
        with trio.fail_after(50):
            reached = await run(steps)
        assert living_tasks() == before
        if not reached:
            assert steps > 50
            return
    pytest.fail("the story is too long")


async def test_a_cancelled_client_leaves_nothing(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        async with serving({}, LIMITS) as pair:
            with trio.CancelScope() as scope, after_steps(steps, scope.cancel) as counter:
                async with pair.channel(LIMITS) as channel:
                    await talk(channel)
            await trio.testing.wait_all_tasks_blocked()
            statistics = pair.server.statistics()
            assert (statistics.connections_open, statistics.streams_open) == (0, 0)
            assert not statistics.errors
            return counter.acted

    await repeat(run)


async def test_a_cancelled_call_leaves_its_channel_usable(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        async with serving({}, LIMITS) as pair, pair.channel(LIMITS) as channel:
            with trio.CancelScope() as scope, after_steps(steps, scope.cancel) as counter:
                await talk(channel)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().streams_open == 0
            # Neither stream slots nor windows are lost: the windows are far smaller.
            for _ in range(3):
                assert await call_unary(channel, LARGE) == LARGE
            assert not pair.server.statistics().errors
            return counter.acted

    await repeat(run)


@dataclass
class Served:
    """A server on a network of its own, in a task of its own."""

    nursery: trio.Nursery
    network: MemoryNetwork = field(default_factory=MemoryNetwork)
    server: Server = field(default_factory=lambda: Server(ECHO, codec=CODEC, limits=LIMITS))

    async def talk_until(self, steps: int, act: Callable[[], object]) -> bool:
        """Connects and talks, and acts on the way; whether it came to that."""
        with after_steps(steps, act) as counter:
            try:
                stream = await self.network.connect("server")
                async with connect(stream, authority="x", codec=CODEC, limits=LIMITS) as channel:
                    await talk(channel)
            except (ConnectionLost, GRPCError, ConnectionRefusedError):
                assert counter.acted
        return counter.acted


async def test_a_cancelled_server_leaves_nothing(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        async with trio.open_nursery() as nursery:
            served, scope = Served(nursery), trio.CancelScope()
            listener = served.network.listen("server")

            async def serve() -> None:
                with scope:
                    await served.server.serve([listener])

            nursery.start_soon(serve)
            reached = await served.talk_until(steps, scope.cancel)
            scope.cancel()
        statistics = served.server.statistics()
        assert (statistics.connections_open, statistics.streams_open) == (0, 0)
        assert not statistics.errors
        return reached

    await repeat(run)


async def test_a_drain_at_any_time_ends_well(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        async with trio.open_nursery() as nursery:
            served = Served(nursery)
            nursery.start_soon(served.server.serve, [served.network.listen("server")])
            drain = partial(nursery.start_soon, served.server.drain, 5)
            reached = await served.talk_until(steps, drain)
            if not reached:
                await served.server.drain(0)
        assert not served.server.statistics().errors
        return reached

    await repeat(run, every=3)


async def test_a_connection_cut_at_any_time_ends_the_story(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        async with trio.open_nursery() as nursery:
            served = Served(nursery)
            await nursery.start(served.server.serve, [served.network.listen("server")])
            reached = await served.talk_until(steps, partial(served.network.cut, "server"))
            await served.server.drain(0)
        assert not served.server.statistics().errors
        return reached

    await repeat(run)


async def test_a_deadline_at_any_time_is_told_as_such(autojump_clock: MockClock) -> None:
    async def handler(stream: ServerStream) -> None:
        async for message in stream:
            await trio.sleep(1)
            await stream.send_message(message)
            await trio.sleep(1)

    async def converse(channel: Channel, timeout: float) -> None:
        async with channel.request(BOTH, timeout=timeout) as stream:
            for message in (b"one", LARGE, b"three"):
                await stream.send_message(message)
                assert await stream.recv_message() == message
            await stream.end()
            assert await stream.recv_message() is None

    async with serving({BOTH: handler}, LIMITS) as pair, pair.channel(LIMITS) as channel:
        for tenths in range(1, 59, 2):
            with pytest.raises(GRPCError) as caught:
                await converse(channel, tenths / 10)
            assert caught.value.status is Status.DEADLINE_EXCEEDED
        await converse(channel, 6.1)

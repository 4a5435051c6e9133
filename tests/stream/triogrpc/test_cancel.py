"""Cancellation at every step: whatever is cancelled when, nothing is left behind.

Each test runs one small story again and again, and cancels one side of it after the
first, the second, the third step that any task takes, until the story gets to its end.
"""

from collections.abc import Awaitable, Callable

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

MAX_STEPS = 3000
LIMITS = LinkLimits(stream_window_bytes=20_000, max_streams=2, write_buffer_bytes=20_000)
LARGE = bytes(50_000)


class CancelAfter(trio.abc.Instrument):
    """Cancels ``scope`` when all tasks together have taken so many steps."""

    def __init__(self, steps: int, scope: trio.CancelScope) -> None:
        self.left = steps
        self.scope = scope

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def cancelled_after(
    steps: int, story: Callable[[], Awaitable[None]], scope: trio.CancelScope
) -> bool:
    """Runs ``story`` and cancels ``scope`` on the way; False if it ended before."""
    instrument = CancelAfter(steps, scope)
    trio.lowlevel.add_instrument(instrument)
    try:
        await story()
    finally:
        trio.lowlevel.remove_instrument(instrument)
    return instrument.left <= 0


def living_tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


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


async def repeat(run: Callable[[int], Awaitable[bool]]) -> None:
    """``run`` with each number of steps, until it says that it was not cancelled."""
    for steps in range(1, MAX_STEPS):
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

            async def story() -> None:
                with scope:
                    async with pair.channel(LIMITS) as channel:
                        await talk(channel)

            scope = trio.CancelScope()
            reached = await cancelled_after(steps, story, scope)
            await trio.testing.wait_all_tasks_blocked()
            statistics = pair.server.statistics()
            assert (statistics.connections_open, statistics.streams_open) == (0, 0)
            assert not statistics.errors
            return reached

    await repeat(run)


async def test_a_cancelled_call_leaves_its_channel_usable(
    autojump_clock: MockClock,
) -> None:
    async def run(steps: int) -> bool:
        async with serving({}, LIMITS) as pair, pair.channel(LIMITS) as channel:

            async def story() -> None:
                with scope:
                    await talk(channel)

            scope = trio.CancelScope()
            reached = await cancelled_after(steps, story, scope)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().streams_open == 0
            # Neither stream slots nor windows are lost: the windows are far smaller.
            for _ in range(3):
                assert await call_unary(channel, LARGE) == LARGE
            assert not pair.server.statistics().errors
            return reached

    await repeat(run)


async def test_a_cancelled_server_leaves_nothing(autojump_clock: MockClock) -> None:
    async def run(steps: int) -> bool:
        network = MemoryNetwork()
        server = Server(ECHO, codec=CODEC, limits=LIMITS)
        scope = trio.CancelScope()
        listener = network.listen("server")

        async def serve() -> None:
            with scope:
                await server.serve([listener])

        async def story() -> None:
            try:
                stream = await network.connect("server")
                async with connect(stream, authority="x", codec=CODEC, limits=LIMITS) as channel:
                    await talk(channel)
            except (ConnectionLost, GRPCError, ConnectionRefusedError):
                assert scope.cancel_called

        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)
            reached = await cancelled_after(steps, story, scope)
            scope.cancel()
        statistics = server.statistics()
        assert (statistics.connections_open, statistics.streams_open) == (0, 0)
        assert not statistics.errors
        return reached

    await repeat(run)


async def test_a_drain_at_any_time_ends_well(autojump_clock: MockClock) -> None:
    class DrainAfter(CancelAfter):
        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            self.left -= 1
            if self.left == 0:
                nursery.start_soon(server.drain, 5)

    for steps in range(1, MAX_STEPS, 3):
        before = living_tasks()
        network = MemoryNetwork()
        server = Server(ECHO, codec=CODEC, limits=LIMITS)
        with trio.fail_after(50):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.serve, [network.listen("server")])
                instrument = DrainAfter(steps, trio.CancelScope())
                trio.lowlevel.add_instrument(instrument)
                try:
                    stream = await network.connect("server")
                    async with connect(
                        stream, authority="x", codec=CODEC, limits=LIMITS
                    ) as channel:
                        await talk(channel)
                except (ConnectionLost, GRPCError, ConnectionRefusedError):
                    assert instrument.left <= 0
                finally:
                    trio.lowlevel.remove_instrument(instrument)
                if instrument.left > 0:
                    await server.drain(0)
        assert living_tasks() == before
        assert not server.statistics().errors
        if instrument.left > 0:
            return
    pytest.fail("the story is too long")


async def test_a_connection_cut_at_any_time_ends_the_story(
    autojump_clock: MockClock,
) -> None:
    class CutAfter(CancelAfter):
        def after_task_step(self, task: trio.lowlevel.Task) -> None:
            self.left -= 1
            if self.left == 0:
                network.cut("server")

    for steps in range(1, MAX_STEPS):
        network = MemoryNetwork()
        before = living_tasks()
        server = Server(ECHO, codec=CODEC, limits=LIMITS)
        with trio.fail_after(50):
            async with trio.open_nursery() as nursery:
                await nursery.start(server.serve, [network.listen("server")])
                stream = await network.connect("server")
                instrument = CutAfter(steps, trio.CancelScope())
                trio.lowlevel.add_instrument(instrument)
                try:
                    async with connect(
                        stream, authority="x", codec=CODEC, limits=LIMITS
                    ) as channel:
                        await talk(channel)
                except ConnectionLost:
                    assert instrument.left <= 0
                finally:
                    trio.lowlevel.remove_instrument(instrument)
                await server.drain(0)
        assert living_tasks() == before
        assert not server.statistics().errors
        if instrument.left > 0:
            return
    pytest.fail("the story is too long")


async def test_a_deadline_at_any_time_is_told_as_such(
    autojump_clock: MockClock,
) -> None:
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

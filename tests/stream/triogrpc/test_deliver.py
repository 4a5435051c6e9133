"""Messages handed to a callback in the reading task: all of them, in order, bounded."""

import gc
import weakref
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
import trio
import trio.lowlevel
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from derproto.triogrpc import Deferred, GRPCError, LinkLimits, ServerStream
from derproto.triogrpc.connection.inbound import MESSAGES_PER_TURN, Inbound, Turn
from derproto.triogrpc.core.reassembly import ReassemblyPool
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import BOTH, CODEC, BytesCodec, framed


@given(
    bodies=st.lists(st.binary(max_size=300), max_size=150),
    cuts=st.lists(st.integers(1, 2000), min_size=1, max_size=10),
    slow=st.sets(st.integers(0, 150)),
)
def test_all_come_in_order_however_they_are_cut(
    bodies: list[bytes], cuts: list[int], slow: set[int]
) -> None:
    data = b"".join(framed(body) for body in bodies)
    acked = 0
    got: list[bytes] = []
    busy = False

    def ack(size: int) -> None:
        nonlocal acked
        acked += size

    async def be_slow(body: bytes) -> None:
        nonlocal busy
        busy = True
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        got.append(body)
        busy = False

    def take(body: bytes) -> Deferred | None:
        assert not busy, "the next message came before the last was done with"
        if len(got) in slow:
            return partial(be_slow, body)
        got.append(body)
        return None

    async def main() -> None:
        turn = Turn(trio.Lock())
        limits = LinkLimits(max_message_bytes=1000)
        inbound = Inbound(
            ack, turn, ReassemblyPool(2**20), limits=limits, malformed=Status.INTERNAL
        )

        async def feed() -> None:
            start = index = 0
            while start < len(data):
                chunk = data[start : start + cuts[index % len(cuts)]]
                start, index = start + len(chunk), index + 1
                inbound.add(chunk, len(chunk))
                if index % 3 == 0:
                    turn.begin()
                if index % 2:
                    await trio.lowlevel.checkpoint()
            inbound.eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            await inbound.deliver(take)
        assert got == bodies
        assert acked + inbound.unacked_size() == len(data)

    trio.run(main)


async def test_a_handler_is_not_woken_for_a_message() -> None:
    got: list[bytes] = []
    tasks: set[str] = set()

    async def serve(stream: ServerStream) -> None:
        def take(message: bytes) -> None:
            tasks.add(trio.lowlevel.current_task().name)
            got.append(message)

        await stream.deliver(take)
        await stream.send_message(b"done")

    async with memory_channel({BOTH: serve}, codec=CODEC) as channel:
        async with channel.request(BOTH) as call:
            await call.send_request()
            await wait_all_tasks_blocked()
            for number in range(10):
                await call.send_message(b"%d" % number)
                await wait_all_tasks_blocked()
            await call.end()
            assert await call.recv_message() == b"done"
    assert got == [b"%d" % number for number in range(10)]
    assert not any("_run_call" in name for name in tasks), tasks


async def test_a_flooding_call_takes_turns(autojump_clock: MockClock) -> None:
    """While one call gets thousands of messages at once, another is served between turns."""
    order: list[str] = []

    async def serve(stream: ServerStream) -> None:
        who = stream.metadata["who"]

        def take(message: bytes) -> None:
            order.append(str(who))

        await stream.deliver(take)

    async with memory_channel({BOTH: serve}, codec=CODEC) as channel:
        async with channel.request(BOTH, metadata={"who": "flood"}) as flood:
            async with channel.request(BOTH, metadata={"who": "quiet"}) as quiet:
                await flood.send_request()
                await quiet.send_request()
                await wait_all_tasks_blocked()

                async def send_flood() -> None:
                    for _ in range(3000):
                        await flood.send_message(b"x")

                async def send_quiet() -> None:
                    for _ in range(5):
                        await quiet.send_message(b"y")
                        await trio.lowlevel.checkpoint()

                async with trio.open_nursery() as nursery:
                    nursery.start_soon(send_flood)
                    nursery.start_soon(send_quiet)
                await wait_all_tasks_blocked()
    assert order.count("flood") == 3000
    runs = "".join(word[0] for word in order).split("q")
    assert order.count("quiet") == 5
    assert len(runs[0]) <= 20 * MESSAGES_PER_TURN


async def test_awaited_work_holds_the_sender_back_by_the_window(
    autojump_clock: MockClock,
) -> None:
    limits = LinkLimits(stream_window_bytes=16_384, connection_window_bytes=65_535)
    go_on = trio.Event()
    got = 0

    async def hold() -> None:
        await go_on.wait()

    async def serve(stream: ServerStream) -> None:
        def take(message: bytes) -> Deferred | None:
            nonlocal got
            got += 1
            return hold if got == 1 else None

        await stream.deliver(take)
        await stream.send_message(b"%d" % got)

    async with memory_channel({BOTH: serve}, codec=CODEC, limits=limits) as channel:
        async with channel.request(BOTH) as call:
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(1000):
                    await call.send_message(b"x" * 1000)
                    sent += 1
                await call.end()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.sleep(10)
                assert got == 1
                assert sent < 40
                go_on.set()
                assert await call.recv_message() == b"1000"


async def test_quiet_calls_do_not_use_up_the_connections_window(
    autojump_clock: MockClock,
) -> None:
    """What calls have taken and not given back yet must not add up to the connection's window."""
    got = 0

    async def serve(stream: ServerStream) -> None:
        def take(message: bytes) -> None:
            nonlocal got
            got += 1

        await stream.deliver(take)

    async with memory_channel({BOTH: serve}, codec=CODEC) as channel, AsyncExitStack() as calls:
        for _ in range(LinkLimits().max_streams - 1):
            quiet = await calls.enter_async_context(channel.request(BOTH))
            await quiet.send_request()
            # Its handler waits: what comes is delivered, and the window given back lazily.
            await wait_all_tasks_blocked()
            for _ in range(12):
                await quiet.send_message(bytes(1000))
        await wait_all_tasks_blocked()
        busy = await calls.enter_async_context(channel.request(BOTH))
        before = got
        with trio.fail_after(60):
            for _ in range(1000):
                await busy.send_message(bytes(1000))
        await wait_all_tasks_blocked()
        assert got == before + 1000


@pytest.mark.parametrize("error", [GRPCError(Status.NOT_FOUND, "no"), ValueError("a bug")])
async def test_an_error_of_the_callback_ends_the_call(error: Exception) -> None:
    ended = []

    async def serve(stream: ServerStream) -> None:
        def take(message: bytes) -> None:
            raise error

        try:
            await stream.deliver(take)
        finally:
            ended.append(True)

    async with memory_channel({BOTH: serve}, codec=CODEC) as channel:
        async with channel.request(BOTH) as call:
            await call.send_message(b"x")
            with pytest.raises(GRPCError) as caught:
                await call.recv_message()
        expected = error.status if isinstance(error, GRPCError) else Status.UNKNOWN
        assert caught.value.status is expected
        async with channel.request(BOTH) as call:
            await call.send_message(b"x")
            with pytest.raises(GRPCError):
                await call.recv_message()
    assert ended == [True, True]


class Decoded:
    """What a codec has made of a message so far."""


class FailingCodec(BytesCodec):
    """Fails in the middle of a message."""

    def __init__(self) -> None:
        self.decoded: weakref.WeakSet[Decoded] = weakref.WeakSet()

    def decode(self, data: bytes, message_type: Any) -> bytes:
        half = Decoded()
        self.decoded.add(half)
        raise ValueError("no message")


async def test_a_message_that_fails_is_not_kept_in_memory_until_garbage_is_collected() -> None:
    async def serve(stream: ServerStream) -> None:
        await stream.deliver(lambda message: None)

    codec = FailingCodec()
    gc.disable()
    try:
        async with memory_channel({BOTH: serve}, codec=codec) as channel:
            async with channel.request(BOTH) as call:
                await call.send_message(bytes(100_000))
                with pytest.raises(GRPCError, match="not a bytes: ValueError: no message"):
                    await call.recv_message()
            await wait_all_tasks_blocked()
            assert not codec.decoded
            inbounds = [each for each in gc.get_objects() if isinstance(each, Inbound)]
            assert not any(each._bytes for each in inbounds)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"bad", Status.INVALID_ARGUMENT), (b"x" * 2000, Status.RESOURCE_EXHAUSTED)],
)
async def test_a_malformed_message_ends_the_call(body: bytes, status: Status) -> None:
    got: list[bytes] = []

    async def serve(stream: ServerStream) -> None:
        await stream.deliver(got.append)

    async with memory_channel(
        {BOTH: serve},
        codec=CODEC,
        limits=LinkLimits(max_message_bytes=1000),
        client_limits=LinkLimits(),
    ) as channel:
        async with channel.request(BOTH) as call:
            await call.send_message(b"good")
            await call.send_message(body)
            with pytest.raises(GRPCError) as caught:
                await call.recv_message()
    assert caught.value.status is status
    assert got == [b"good"]


async def test_messages_before_deliver_are_delivered_too() -> None:
    got: list[bytes] = []

    async def serve(stream: ServerStream) -> None:
        assert await stream.recv_message() == b"first"
        await wait_all_tasks_blocked()
        await stream.deliver(got.append)
        await stream.send_message(b"done")

    async with memory_channel({BOTH: serve}, codec=CODEC) as channel:
        async with channel.request(BOTH) as call:
            for message in (b"first", b"second", b"third"):
                await call.send_message(message)
            await call.end()
            assert await call.recv_message() == b"done"
    assert got == [b"second", b"third"]

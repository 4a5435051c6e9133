"""What a call can carry, and its deadline: both ends of triogrpc, in memory."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc import GRPCError, ServerStream, Status
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    DOWN,
    ECHO,
    UNARY,
    UP,
    Hanging,
    call_unary,
    framed,
    hang,
    request_headers,
    send_for_ever,
    serving,
)


async def test_each_cardinality() -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        assert await call_unary(channel, b"one") == b"one"

        async with channel.request(DOWN) as down:
            await down.send_message(b"abc", end=True)
            assert [message async for message in down] == [b"a", b"b", b"c"]

        async with channel.request(UP) as up:
            await up.send_message(b"a")
            await up.send_message(b"b", end=True)
            assert await up.recv_message() == b"ab"

        async with channel.request(BOTH) as both:
            for letter in (b"x", b"", b"z" * 100_000):
                await both.send_message(letter)
                assert await both.recv_message() == letter
            await both.end()
            assert await both.recv_message() is None


async def test_a_stream_may_be_empty_both_ways() -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        async with channel.request(BOTH) as both:
            await both.send_request(end=True)
            assert await both.recv_message() is None
            assert both.trailing_metadata is not None


async def test_metadata_both_ways() -> None:
    async def handler(stream: ServerStream) -> None:
        assert stream.metadata.getall("color") == ["red", "blue"]
        assert stream.metadata["raw-bin"] == b"\x00\xff\xfe"
        await stream.recv_message()
        await stream.send_initial_metadata(metadata={"first": "1"})
        await stream.send_message(b"")
        await stream.send_trailing_metadata(metadata={"last-bin": b"\x80\x81"})

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        metadata: list[tuple[str, str | bytes]] = [
            ("color", "red"),
            ("color", "blue"),
            ("raw-bin", b"\x00\xff\xfe"),
        ]
        async with channel.request(UNARY, metadata=metadata) as stream:
            await stream.send_message(b"", end=True)
            await stream.recv_initial_metadata()
            assert stream.initial_metadata is not None
            assert stream.initial_metadata["first"] == "1"
            assert await stream.recv_message() == b""
            await stream.recv_trailing_metadata()
            assert stream.trailing_metadata is not None
            assert stream.trailing_metadata["last-bin"] == b"\x80\x81"


async def test_peer_is_named() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        assert stream.peer_certificate is None
        await stream.send_message(stream.peer.encode())

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        assert await call_unary(channel, b"") == b"memory:1"
        assert channel.peer == "memory:server"


async def test_deadline_ends_the_wait_at_the_client(autojump_clock: MockClock) -> None:
    handler = Hanging()
    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(channel, b"", timeout=7.5)
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        assert trio.current_time() == pytest.approx(7.5)
        await handler.cancelled.wait()


async def test_deadline_ends_the_handler_by_trios_clock(autojump_clock: MockClock) -> None:
    started = trio.current_time()
    ended: list[float] = []

    async def handler(stream: ServerStream) -> None:
        assert stream.deadline is not None
        assert stream.deadline.time_remaining() == pytest.approx(600)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(trio.current_time() - started)

    async with serving({UNARY: handler}) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(grpc_timeout="10M"), framed(b""))
        assert (await raw.status(call))["grpc-status"] == str(Status.DEADLINE_EXCEEDED.value)
        assert ended == [pytest.approx(600)]


async def test_deadline_ends_a_blocked_sender(autojump_clock: MockClock) -> None:
    async with memory_channel({BOTH: hang}, codec=CODEC) as channel:
        async with channel.request(BOTH, timeout=5) as stream:
            with pytest.raises(GRPCError) as caught:
                await send_for_ever(stream)
        assert caught.value.status is Status.DEADLINE_EXCEEDED


async def test_deadline_that_has_passed(autojump_clock: MockClock) -> None:
    async with serving({}) as pair, pair.channel() as channel:
        async with channel.request(UNARY, timeout=1) as stream:
            await trio.sleep(2)
            with pytest.raises(GRPCError) as caught:
                await stream.send_message(b"", end=True)
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        await trio.testing.wait_all_tasks_blocked()
        # The server was not even asked.
        assert pair.server.statistics().streams_total == 0


async def test_deadline_met_has_no_effect(autojump_clock: MockClock) -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        assert await call_unary(channel, b"quick", timeout=1) == b"quick"
        await trio.sleep(10)
        assert await call_unary(channel, b"again", timeout=1) == b"again"

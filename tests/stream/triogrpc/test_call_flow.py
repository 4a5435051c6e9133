"""Tasks that send and receive on one call, and flow control."""

import pytest
import trio
import trio.testing

from derproto.triogrpc import GRPCError, LinkLimits, ServerStream, Status
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    DOWN,
    ECHO,
    call_unary,
    hang,
    send_for_ever,
    serving,
)


async def test_one_task_sends_while_another_receives() -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            received: list[bytes] = []

            async def receive() -> None:
                received.extend([message async for message in stream])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                sent = [bytes([n % 256]) * (n * 37) for n in range(500)]
                for message in sent:
                    await stream.send_message(message)
                await stream.end()
            assert received == sent


async def test_only_one_task_may_receive() -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_message(b"x")
            await stream.recv_message()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream.recv_message)
                await trio.testing.wait_all_tasks_blocked()
                with pytest.raises(trio.BusyResourceError):
                    await stream.recv_message()
                nursery.cancel_scope.cancel()


async def test_messages_of_several_sending_tasks_stay_whole() -> None:
    async def handler(stream: ServerStream) -> None:
        async def send(letter: int) -> None:
            for _ in range(5):
                await stream.send_message(bytes([letter]) * 200_000)

        async with trio.open_nursery() as nursery:
            for letter in b"abcd":
                nursery.start_soon(send, letter)

    async with memory_channel({DOWN: handler}, codec=CODEC) as channel:
        async with channel.request(DOWN) as stream:
            await stream.send_message(b"", end=True)
            messages = [message async for message in stream]
    assert len(messages) == 20
    assert all(len(message) == 200_000 and len(set(message)) == 1 for message in messages)


@pytest.mark.parametrize("status", [Status.ABORTED, Status.OK])
async def test_a_blocked_sender_hears_that_the_server_ended_the_call(status: Status) -> None:
    go = trio.Event()

    async def handler(stream: ServerStream) -> None:
        await go.wait()
        if status is not Status.OK:
            raise GRPCError(status, "enough")

    async with memory_channel({BOTH: handler}, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:

            async def send() -> None:
                with pytest.raises(GRPCError) as caught:
                    await send_for_ever(stream)
                assert caught.value.status is status

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                go.set()
            # And whoever sends later.
            with pytest.raises(GRPCError) as caught:
                await stream.send_message(b"")
            assert caught.value.status is status
            with pytest.raises(GRPCError) as caught:
                await stream.end()
            assert caught.value.status is status


async def test_flow_control_holds_back_the_sender() -> None:
    limits = LinkLimits(stream_window_bytes=50_000, connection_window_bytes=100_000)
    go = trio.Event()

    async def handler(stream: ServerStream) -> None:
        await go.wait()
        async for _ in stream:
            pass

    async with memory_channel({BOTH: handler}, codec=CODEC, limits=limits) as channel:
        async with channel.request(BOTH) as stream:
            sent = 0

            async def send() -> None:
                nonlocal sent
                for _ in range(100):
                    await stream.send_message(bytes(9_995))
                    sent += 1
                await stream.end()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                assert sent == 5
                go.set()
            assert sent == 100
            assert await stream.recv_message() is None


async def test_flow_control_holds_back_a_handler_too() -> None:
    limits = LinkLimits(stream_window_bytes=50_000, connection_window_bytes=100_000)
    sent = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal sent
        for _ in range(100):
            await stream.send_message(bytes(9_995))
            sent += 1

    async with memory_channel({DOWN: handler}, codec=CODEC, limits=limits) as channel:
        async with channel.request(DOWN) as stream:
            await stream.send_message(b"", end=True)
            await trio.testing.wait_all_tasks_blocked()
            assert sent == 5
            assert len([message async for message in stream]) == 100


async def test_a_stalled_call_leaves_the_others_alone() -> None:
    async with serving({BOTH: hang}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as stalled:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_for_ever, stalled, bytes(1000))
                await trio.testing.wait_all_tasks_blocked()
                assert await call_unary(channel, bytes(1_000_000)) == bytes(1_000_000)
                nursery.cancel_scope.cancel()


async def test_a_busy_handler_lets_others_run() -> None:
    turns = 0

    async def handler(stream: ServerStream) -> None:
        for _ in range(2000):
            await stream.send_message(b"")

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with memory_channel({DOWN: handler}, codec=CODEC) as channel:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(count)
            async with channel.request(DOWN) as stream:
                await stream.send_message(b"", end=True)
                assert len([message async for message in stream]) == 2000
            nursery.cancel_scope.cancel()
    assert turns > 60


async def test_a_message_is_sent_at_once_or_not_at_all() -> None:
    said: list[bool] = []
    filled = trio.Event()

    async def handler(stream: ServerStream) -> None:
        # The first message brings the headers, which only a task may send.
        said.append(stream.send_message_nowait(b"too early"))
        await stream.send_message(b"first")
        said.append(stream.send_message_nowait(b"second"))
        while stream.send_message_nowait(bytes(10_000)):
            said.append(True)
        filled.set()
        await stream.recv_message()
        await stream.send_message(b"last")
        said.append(stream.send_message_nowait(b"after it"))

    async with serving({BOTH: handler}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as call:
            await call.send_request()
            assert await call.recv_message() == b"first"
            assert await call.recv_message() == b"second"
            await filled.wait()
            await call.send_message(b"go on")
            await call.end()
            rest = [message async for message in call]
    assert said[:2] == [False, True]
    # As many as the window took, whole.
    assert rest == [bytes(10_000)] * (len(said) - 3) + [b"last", b"after it"]
    assert len(said) > 10

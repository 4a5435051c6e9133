"""A call that an end leaves, cancels or loses."""

import logging

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc import ConnectionLost, GRPCError, ServerStream, Status, StreamTerminatedError
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    DOWN,
    UNARY,
    Hanging,
    Pair,
    call_unary,
    hang,
    send_for_ever,
    serving,
)


async def end_is_seen(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """A handler sees Cancelled, its clean-up runs, and nobody calls it an error."""
    caplog.set_level(logging.INFO)
    seen: list[str] = []
    ended = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            async for _ in stream:
                pass
        except trio.Cancelled:
            seen.append("cancelled")
            raise
        finally:
            ended.set()

    async with serving({BOTH: handler}) as pair:
        async with pair.channel() as channel:
            async with channel.request(BOTH) as stream:
                await stream.send_message(b"x")
                await trio.testing.wait_all_tasks_blocked()
                if how == "cancel":
                    await stream.cancel()
                    with pytest.raises(StreamTerminatedError):
                        await stream.send_message(b"")
                    with pytest.raises(StreamTerminatedError):
                        await stream.recv_message()
                elif how == "cut":
                    pair.network.cut("server")
                    with pytest.raises(ConnectionLost):
                        await stream.recv_message()
                    with pytest.raises(ConnectionLost):
                        await stream.send_message(b"")
            if how == "leave":
                await ended.wait()
                assert channel.is_open
        await ended.wait()
        assert seen == ["cancelled"]
    assert not caplog.records


@pytest.mark.parametrize("how", ["cancel", "leave", "close", "cut"])
async def test_an_end_at_the_client_cancels_the_handler(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    await end_is_seen(how, caplog)


async def test_an_exception_in_the_block_resets_the_call_and_passes_as_it_is() -> None:
    handler = Hanging()

    async def fail(pair: Pair) -> None:
        async with pair.channel() as channel, channel.request(BOTH) as stream:
            await stream.send_message(b"")
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError

    async with serving({BOTH: handler}) as pair:
        with pytest.raises(KeyError):
            await fail(pair)
        await handler.cancelled.wait()


async def test_a_handlers_failing_clean_up_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async with serving({BOTH: handler}) as pair:
        async with pair.channel() as channel, channel.request(BOTH) as stream:
            await stream.send_message(b"")
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        assert pair.server.statistics().errors == {"handler": 1}
    assert "in clean-up" in caplog.text


async def test_a_handler_cancels_its_call() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.cancel()

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(channel, b"")
        assert caught.value.status is Status.CANCELLED


async def test_a_lost_connection_wakes_everyone() -> None:
    async with serving({BOTH: hang, UNARY: hang}) as pair, pair.channel() as channel:
        lost = 0

        async def receive() -> None:
            nonlocal lost
            async with channel.request(BOTH) as stream:
                await stream.send_request()
                with pytest.raises(ConnectionLost):
                    await stream.recv_message()
                lost += 1

        async def send() -> None:
            nonlocal lost
            async with channel.request(BOTH) as stream:
                with pytest.raises(ConnectionLost):
                    await send_for_ever(stream)
                lost += 1

        async def leave() -> None:
            async with channel.request(UNARY) as stream:
                await stream.send_message(b"", end=True)
                await channel.wait_closed()

        async def wait_for_status() -> None:
            nonlocal lost
            with pytest.raises(ConnectionLost):
                await leave()
            lost += 1

        async with trio.open_nursery() as nursery:
            for task in (receive, send, receive, wait_for_status):
                nursery.start_soon(task)
            await trio.testing.wait_all_tasks_blocked()
            pair.network.cut("server")
        assert lost == 4
        assert not channel.is_open
        assert channel.closed_because == "connection lost"
        with pytest.raises(ConnectionLost):
            await call_unary(channel, b"")


async def test_messages_from_before_the_connections_end_are_still_given() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_message(b"goodbye")
        await trio.sleep_forever()

    async with serving({BOTH: handler}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            await trio.testing.wait_all_tasks_blocked()
            pair.network.cut("server")
            await channel.wait_closed()
            assert await stream.recv_message() == b"goodbye"
            with pytest.raises(ConnectionLost):
                await stream.recv_message()


async def test_a_message_cut_short_ends_the_call(autojump_clock: MockClock) -> None:
    async with memory_channel({BOTH: hang}, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            with trio.move_on_after(1) as scope:
                await stream.send_message(bytes(1_000_000))
            assert scope.cancelled_caught
            with pytest.raises(StreamTerminatedError, match="cut short"):
                await stream.send_message(b"")
        # Nothing of it is in the way of the next call.
        assert channel.is_open


async def test_a_handlers_message_cut_short_ends_the_call(autojump_clock: MockClock) -> None:
    async def handler(stream: ServerStream) -> None:
        with trio.move_on_after(1):
            await stream.send_message(bytes(1_000_000))

    async with memory_channel({DOWN: handler}, codec=CODEC) as channel:
        async with channel.request(DOWN) as stream:
            await stream.send_message(b"", end=True)
            await trio.sleep(2)
            with pytest.raises(GRPCError) as caught:
                await stream.recv_message()
            assert caught.value.status is Status.CANCELLED


async def test_sending_at_once_on_a_call_that_is_over_says_so() -> None:
    outcome: list[str] = []

    async def handler(stream: ServerStream) -> None:
        await stream.send_message(b"first")
        try:
            await stream.recv_message()
        finally:
            try:
                stream.send_message_nowait(b"too late")
            except StreamTerminatedError:
                outcome.append("terminated")

    async with serving({BOTH: handler}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as call:
            await call.send_request()
            assert await call.recv_message() == b"first"
            await call.cancel()
    assert outcome == ["terminated"]

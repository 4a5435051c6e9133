"""What a call can carry, and how it ends: both ends of triogrpc, in memory."""

import logging

import pytest
import trio
import trio.testing

from derproto.triogrpc import (
    ConnectionLost,
    GRPCError,
    LinkLimits,
    ServerStream,
    Status,
    StreamTerminatedError,
)
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    DOWN,
    ECHO,
    UNARY,
    UP,
    Pair,
    call_unary,
    framed,
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


# -- how a handler's exception ends the call ---------------------------------------------


async def fails(error: BaseException, sent: bytes = b"") -> GRPCError:
    """The status with which a call ends whose handler raises ``error``."""

    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        raise error

    async with serving({UNARY: handler, BOTH: handler}) as pair:
        async with pair.channel() as channel:
            with pytest.raises(GRPCError) as unary:
                await call_unary(channel, b"")
            async with channel.request(BOTH) as stream:
                await stream.send_message(b"")
                with pytest.raises(GRPCError) as both:
                    await stream.recv_message()
    assert unary.value.status == both.value.status
    assert unary.value.message == both.value.message
    return unary.value


async def test_a_status_is_raised_as_grpc_error() -> None:
    error = await fails(GRPCError(Status.NOT_FOUND, "kein Gerät «x» 🔌"))
    assert (error.status, error.message) == (Status.NOT_FOUND, "kein Gerät «x» 🔌")


async def test_a_status_may_come_in_groups() -> None:
    inner = GRPCError(Status.ABORTED, "inner")
    error = await fails(ExceptionGroup("a", [ExceptionGroup("b", [inner])]))
    assert (error.status, error.message) == (Status.ABORTED, "inner")


async def test_a_status_leaves_a_nursery_of_the_handler() -> None:
    async def fail() -> None:
        raise GRPCError(Status.DATA_LOSS, "from a task")

    async def handler(stream: ServerStream) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            nursery.start_soon(fail)

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError, match="from a task"):
            await call_unary(channel, b"")


async def test_a_fault_beside_a_status_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = await fails(ExceptionGroup("", [GRPCError(Status.ABORTED, "why"), KeyError("bug")]))
    assert error.status is Status.ABORTED
    assert "KeyError: 'bug'" in caplog.text


async def test_any_other_exception_is_logged_and_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = await fails(ValueError("secret"))
    assert (error.status, error.message) == (Status.UNKNOWN, "Internal Server Error")
    assert "ValueError: secret" in caplog.text


async def test_a_handler_without_a_reply_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError, match="Internal Server Error"):
            await call_unary(channel, b"")
    assert "returned without a reply" in caplog.text


async def test_a_long_status_message_is_cut() -> None:
    error = await fails(GRPCError(Status.ABORTED, "ü" * 100_000))
    assert error.message == "ü" * 1000


async def test_status_after_messages_comes_after_them() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        await stream.send_message(b"1")
        await stream.send_message(b"2")
        raise GRPCError(Status.ABORTED, "enough")

    async with memory_channel({BOTH: handler}, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_message(b"")
            await trio.testing.wait_all_tasks_blocked()
            assert await stream.recv_message() == b"1"
            assert await stream.recv_message() == b"2"
            for _ in range(2):
                with pytest.raises(GRPCError, match="enough"):
                    await stream.recv_message()


# -- messages that are none --------------------------------------------------------------


async def test_undecodable_request_is_the_clients_fault() -> None:
    async with serving({}) as pair, pair.channel() as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(channel, b"bad")
        assert caught.value.status is Status.INVALID_ARGUMENT
        assert caught.value.message == "not a bytes: ValueError: begins with bad"
        assert pair.server.statistics().errors == {"message": 1}


async def test_undecodable_reply_is_the_servers_fault() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_message(b"bad")

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(channel, b"")
        assert caught.value.status is Status.INTERNAL


async def test_too_large_to_send() -> None:
    small = LinkLimits(max_message_bytes=100)
    async with memory_channel(ECHO, codec=CODEC, limits=small) as channel:
        async with channel.request(BOTH) as stream:
            with pytest.raises(GRPCError) as caught:
                await stream.send_message(bytes(101))
            assert caught.value.status is Status.RESOURCE_EXHAUSTED
            await stream.send_message(bytes(100))
            assert await stream.recv_message() == bytes(100)


async def test_too_large_to_receive() -> None:
    small = LinkLimits(max_message_bytes=100)
    async with serving({}, small) as pair, pair.channel(LinkLimits()) as channel:
        with pytest.raises(GRPCError, match="larger than 100") as caught:
            await call_unary(channel, bytes(101))
        assert caught.value.status is Status.RESOURCE_EXHAUSTED
        assert await call_unary(channel, bytes(100)) == bytes(100)


async def test_too_large_is_known_before_the_body() -> None:
    async with serving({}) as pair:
        raw = await pair.raw()
        prefix = b"\0" + (2**32 - 1).to_bytes(4, "big")
        call = await raw.request(request_headers(), prefix, end=False)
        assert (await raw.status(call))["grpc-status"] == str(Status.RESOURCE_EXHAUSTED.value)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (framed(b"x", flag=1), Status.UNIMPLEMENTED),
        (framed(b"x", flag=7), Status.INVALID_ARGUMENT),
        (framed(b"xyz")[:-1], Status.INVALID_ARGUMENT),
        (b"\0\0", Status.INVALID_ARGUMENT),
    ],
)
async def test_broken_framing(body: bytes, status: Status) -> None:
    async with serving({}) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(), body)
        assert (await raw.status(call))["grpc-status"] == str(status.value)


@pytest.mark.parametrize(
    ("headers", "http_status", "status"),
    [
        (request_headers(method="GET"), "405", None),
        (request_headers(content_type="text/html"), "415", Status.UNKNOWN),
        (request_headers(content_type=None), "415", Status.UNKNOWN),
        (request_headers(content_type="application/grpc+json"), "415", Status.UNKNOWN),
        (request_headers(te=None), "400", Status.UNKNOWN),
        (request_headers(path="/test.Echo/Nothing"), "200", Status.UNIMPLEMENTED),
        (request_headers(grpc_timeout="soon"), "200", Status.INVALID_ARGUMENT),
        (request_headers(grpc_timeout="9" * 400 + "m"), "200", Status.INVALID_ARGUMENT),
        (request_headers(key_bin="a"), "200", Status.INVALID_ARGUMENT),
        (request_headers(key_bin="\u00e4"), "200", Status.INVALID_ARGUMENT),
    ],
)
async def test_requests_that_are_no_calls(
    headers: list[tuple[str, str]], http_status: str, status: Status | None
) -> None:
    async with serving({}) as pair:
        raw = await pair.raw()
        answer = await raw.status(await raw.request(headers, framed(b"")))
        assert answer[":status"] == http_status
        assert answer.get("grpc-status") == (None if status is None else str(status.value))
        # The connection goes on.
        assert (await raw.status(await raw.request(request_headers(), framed(b""))))[
            "grpc-status"
        ] == "0"


# -- deadlines ---------------------------------------------------------------------------


async def test_deadline_ends_the_wait_at_the_client(autojump_clock: trio.testing.MockClock) -> None:
    cancelled = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with memory_channel({UNARY: handler}, codec=CODEC) as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(channel, b"", timeout=7.5)
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        assert trio.current_time() == pytest.approx(7.5)
        await cancelled.wait()


async def test_deadline_ends_the_handler_by_trios_clock(
    autojump_clock: trio.testing.MockClock,
) -> None:
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


async def test_deadline_ends_a_blocked_sender(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(stream: ServerStream) -> None:
        await trio.sleep_forever()

    async with memory_channel({BOTH: handler}, codec=CODEC) as channel:
        async with channel.request(BOTH, timeout=5) as stream:
            with pytest.raises(GRPCError) as caught:
                await send_for_ever(stream)
        assert caught.value.status is Status.DEADLINE_EXCEEDED


async def test_deadline_that_has_passed(autojump_clock: trio.testing.MockClock) -> None:
    async with serving({}) as pair, pair.channel() as channel:
        async with channel.request(UNARY, timeout=1) as stream:
            await trio.sleep(2)
            with pytest.raises(GRPCError) as caught:
                await stream.send_message(b"", end=True)
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        await trio.testing.wait_all_tasks_blocked()
        # The server was not even asked.
        assert pair.server.statistics().streams_total == 0


async def test_deadline_met_has_no_effect(autojump_clock: trio.testing.MockClock) -> None:
    async with memory_channel(ECHO, codec=CODEC) as channel:
        assert await call_unary(channel, b"quick", timeout=1) == b"quick"
        await trio.sleep(10)
        assert await call_unary(channel, b"again", timeout=1) == b"again"


# -- two tasks on one call ---------------------------------------------------------------


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
    async def handler(stream: ServerStream) -> None:
        await trio.sleep_forever()

    async with serving({BOTH: handler}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as stalled:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(send_for_ever, stalled, bytes(1000))
                await trio.testing.wait_all_tasks_blocked()
                assert await call_unary(channel, bytes(1_000_000)) == bytes(1_000_000)
                nursery.cancel_scope.cancel()


# -- ends from outside -------------------------------------------------------------------


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
    ended = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async def fail(pair: Pair) -> None:
        async with pair.channel() as channel, channel.request(BOTH) as stream:
            await stream.send_message(b"")
            await trio.testing.wait_all_tasks_blocked()
            raise KeyError

    async with serving({BOTH: handler}) as pair:
        with pytest.raises(KeyError):
            await fail(pair)
        await ended.wait()


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
    async def handler(stream: ServerStream) -> None:
        await trio.sleep_forever()

    async with serving({BOTH: handler, UNARY: handler}) as pair, pair.channel() as channel:
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


async def test_what_came_before_the_end_of_the_connection_is_still_given() -> None:
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


async def test_a_message_cut_short_ends_the_call(autojump_clock: trio.testing.MockClock) -> None:
    async def handler(stream: ServerStream) -> None:
        await trio.sleep_forever()

    async with memory_channel({BOTH: handler}, codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            with trio.move_on_after(1) as scope:
                await stream.send_message(bytes(1_000_000))
            assert scope.cancelled_caught
            with pytest.raises(StreamTerminatedError, match="cut short"):
                await stream.send_message(b"")
        # Nothing of it is in the way of the next call.
        assert channel.is_open


async def test_a_handlers_message_cut_short_ends_the_call(
    autojump_clock: trio.testing.MockClock,
) -> None:
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

"""How a call ends that fails: exceptions of a handler, messages that cannot be read."""

import pytest
import trio
import trio.testing

from derproto.triogrpc import GRPCError, LinkLimits, ServerStream, Status
from derproto.triogrpc.testing import memory_channel
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    ECHO,
    UNARY,
    call_unary,
    framed,
    request_headers,
    serving,
)


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


async def test_any_other_exception_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
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
async def test_requests_that_are_not_calls_are_refused(
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

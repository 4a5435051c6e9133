"""Our client against grpcio's server, on loopback sockets."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import trio

from derproto.triogrpc import (
    ConnectionLost,
    GRPCError,
    LinkLimits,
    Status,
    StreamTerminatedError,
)
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.grpcio_server import (
    call_unary,
    calling,
    count_down,
    echo_note,
    echo_notes,
    receive,
)
from tests.stream.triogrpc.interop import NARROW, WAIT_S, EchoSchema, Progress
from tests.stream.triogrpc.support import send_for_ever


async def test_each_cardinality(echo: EchoSchema) -> None:
    def up(notes: Iterator[Any], context: Any) -> Any:
        return echo.note("".join(note.text for note in notes))

    async with calling(echo, unary=echo_note, down=count_down, up=up, both=echo_notes) as grpcio:
        async with grpcio.channel() as channel:
            assert (await call_unary(grpcio, channel, echo.note("é"))).text == "é"

            async with channel.request(echo.down) as stream:
                await stream.send_message(echo.note(count=5), end=True)
                assert [note.count async for note in stream] == [0, 1, 2, 3, 4]

            async with channel.request(echo.up) as stream:
                for text in "abc":
                    await stream.send_message(echo.note(text))
                await stream.end()
                assert (await receive(stream)).text == "abc"

            async with channel.request(echo.both) as stream:
                for number in range(200):
                    await stream.send_message(echo.note(count=number))
                    assert (await receive(stream)).count == number
                await stream.end()
                assert await stream.recv_message() is None


async def test_metadata(echo: EchoSchema) -> None:
    seen: list[tuple[str, str | bytes]] = []

    def unary(note: Any, context: Any) -> Any:
        seen.extend((item.key, item.value) for item in context.invocation_metadata())
        context.send_initial_metadata([("first", "1"), ("first-bin", b"\xff\xfe")])
        context.set_trailing_metadata([("last", "2"), ("last-bin", bytes(range(256)))])
        return note

    metadata: list[tuple[str, str | bytes]] = [
        ("color", "red"),
        ("color", "blue"),
        ("raw-bin", bytes(range(256))),
    ]
    async with calling(echo, unary=unary) as grpcio, grpcio.channel() as channel:
        async with channel.request(echo.unary, metadata=metadata) as stream:
            await stream.send_message(echo.note(), end=True)
            await stream.recv_initial_metadata()
            assert stream.initial_metadata is not None
            assert stream.initial_metadata["first"] == "1"
            assert stream.initial_metadata["first-bin"] == b"\xff\xfe"
            await stream.recv_message()
            await stream.recv_trailing_metadata()
            assert stream.trailing_metadata is not None
            assert stream.trailing_metadata["last"] == "2"
            assert stream.trailing_metadata["last-bin"] == bytes(range(256))
    assert set(metadata) <= set(seen)


async def test_statuses(echo: EchoSchema) -> None:
    codes = {code.value[0]: code for code in grpc.StatusCode}

    def unary(note: Any, context: Any) -> None:
        context.abort(codes[note.count], note.text)

    def down(note: Any, context: Any) -> Iterator[Any]:
        yield note
        context.abort(grpc.StatusCode.ABORTED, "mitten drin 🔌 100%")

    async with calling(echo, unary=unary, down=down) as grpcio, grpcio.channel() as channel:
        for status in Status:
            if status is Status.OK:
                continue
            text = f"{status.name} «ünï» \n 100% 🔌"
            with pytest.raises(GRPCError) as caught:
                await call_unary(grpcio, channel, echo.note(text, count=status.value))
            assert (caught.value.status, caught.value.message) == (status, text)
        async with channel.request(echo.down) as stream:
            await stream.send_message(echo.note("x"), end=True)
            assert (await receive(stream)).text == "x"
            with pytest.raises(GRPCError) as caught:
                await stream.recv_message()
        assert caught.value.status is Status.ABORTED
        assert caught.value.message == "mitten drin 🔌 100%"


async def test_large_messages(echo: EchoSchema) -> None:
    async with calling(echo, unary=echo_note) as grpcio, grpcio.channel(NARROW) as channel:
        note = echo.note(payload=bytes(3_000_000))
        assert await call_unary(grpcio, channel, note) == note


async def test_messages_above_the_bound(echo: EchoSchema) -> None:
    small = LinkLimits(max_message_bytes=100_000)
    async with calling(echo, unary=echo_note, down=count_down) as grpcio:
        async with grpcio.channel(small) as channel:
            with pytest.raises(GRPCError) as caught:
                await call_unary(grpcio, channel, echo.note(payload=bytes(100_001)))
            assert caught.value.status is Status.RESOURCE_EXHAUSTED
            async with channel.request(echo.down) as stream:
                await stream.send_message(echo.note(count=1, size=1_000_000), end=True)
                with pytest.raises(GRPCError, match="larger than 100000") as caught:
                    await stream.recv_message()
            assert caught.value.status is Status.RESOURCE_EXHAUSTED
            assert (await call_unary(grpcio, channel, echo.note("fine"))).text == "fine"
        async with grpcio.channel(LinkLimits(max_message_bytes=10**7)) as channel:
            with pytest.raises(GRPCError) as caught:
                # grpcio's own bound is 4 MiB.
                await call_unary(grpcio, channel, echo.note(payload=bytes(5_000_000)))
            assert caught.value.status is Status.RESOURCE_EXHAUSTED


async def test_cancellation_at_the_client(echo: EchoSchema) -> None:
    started, ended = threading.Event(), threading.Event()

    def both(notes: Iterator[Any], context: Any) -> Iterator[Any]:
        context.add_callback(ended.set)
        started.set()
        yield from notes

    async with calling(echo, both=both) as grpcio, grpcio.channel() as channel:
        async with channel.request(echo.both) as stream:
            await stream.send_request()
            await trio.to_thread.run_sync(started.wait, WAIT_S)
            await stream.cancel()
            assert await trio.to_thread.run_sync(ended.wait, WAIT_S)
        ended.clear()
        with trio.CancelScope() as scope:
            async with channel.request(echo.both) as stream:
                await stream.send_message(echo.note())
                await stream.recv_message()
                scope.cancel()
                await stream.recv_message()
        assert await trio.to_thread.run_sync(ended.wait, WAIT_S)
        assert channel.is_open


async def test_cancellation_at_the_server(echo: EchoSchema) -> None:
    def both(notes: Iterator[Any], context: Any) -> Iterator[Any]:
        context.cancel()
        yield from notes

    async with calling(echo, both=both) as grpcio, grpcio.channel() as channel:
        async with channel.request(echo.both) as stream:
            with pytest.raises(GRPCError) as caught:
                await send_for_ever(stream, echo.note(payload=bytes(10_000)))
        assert caught.value.status is Status.CANCELLED


async def test_deadlines(echo: EchoSchema) -> None:
    ended = threading.Event()
    remaining: list[float] = []

    def unary(note: Any, context: Any) -> Any:
        context.add_callback(ended.set)
        remaining.append(context.time_remaining())
        ended.wait(WAIT_S)
        return note

    async with calling(echo, unary=unary) as grpcio, grpcio.channel() as channel:
        with pytest.raises(GRPCError) as caught:
            await call_unary(grpcio, channel, echo.note(), timeout=0.3)
        assert caught.value.status is Status.DEADLINE_EXCEEDED
        assert await trio.to_thread.run_sync(ended.wait, WAIT_S)
        assert 0 < remaining[0] <= 0.3


async def test_a_server_that_does_not_receive_holds_back_the_sender(echo: EchoSchema) -> None:
    go = threading.Event()

    def up(notes: Iterator[Any], context: Any) -> Any:
        go.wait(WAIT_S)
        return echo.note(count=sum(1 for _ in notes))

    progress = Progress()
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with calling(echo, up=up, options=options) as grpcio, grpcio.channel() as channel:
        async with channel.request(echo.up) as stream:

            async def send() -> None:
                for _ in range(1000):
                    await stream.send_message(echo.note(payload=bytes(10_000)))
                    progress.step()
                await stream.end()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(send)
                assert await progress.wait_held_back() < 100
                go.set()
            assert (await receive(stream)).count == 1000


async def test_a_client_that_does_not_receive_holds_back_the_server(echo: EchoSchema) -> None:
    progress = Progress()

    def down(note: Any, context: Any) -> Iterator[Any]:
        for _ in range(note.count):
            progress.step()
            yield echo.note(payload=bytes(note.size))

    async with calling(echo, down=down) as grpcio, grpcio.channel(NARROW) as channel:
        async with channel.request(echo.down) as stream:
            await stream.send_message(echo.note(count=1000, size=10_000), end=True)
            assert await progress.wait_held_back() < 100
            assert len([note async for note in stream]) == 1000


async def test_the_server_ends_a_call_while_we_send(echo: EchoSchema) -> None:
    def up(notes: Iterator[Any], context: Any) -> Any:
        next(notes)
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "enough")

    def both(notes: Iterator[Any], context: Any) -> Iterator[Any]:
        yield next(notes)

    async with calling(echo, up=up, both=both) as grpcio, grpcio.channel() as channel:
        async with channel.request(echo.up) as stream:
            with pytest.raises(GRPCError, match="enough") as caught:
                await send_for_ever(stream, echo.note(payload=bytes(10_000)))
            assert caught.value.status is Status.FAILED_PRECONDITION
        async with channel.request(echo.both) as stream:
            with pytest.raises(GRPCError) as caught:
                await send_for_ever(stream, echo.note("x"))
            assert caught.value.status is Status.OK
            # What it said before is there all the same.
            assert (await receive(stream)).text == "x"
            assert await stream.recv_message() is None


async def test_tls_on_both_sides(echo: EchoSchema, certificates: Certificates) -> None:
    names: list[bytes] = []

    def down(note: Any, context: Any) -> Iterator[Any]:
        names.extend(context.auth_context()["x509_common_name"])
        yield from count_down(note, context)

    async with calling(echo, down=down, certificates=certificates) as grpcio:
        async with grpcio.channel() as channel, channel.request(echo.down) as stream:
            await stream.send_message(echo.note(count=10, size=1_000_000), end=True)
            assert sum([len(note.payload) async for note in stream]) == 10_000_000
    assert names == [b"agent"]


async def test_keepalive_both_ways(echo: EchoSchema) -> None:
    def unary(note: Any, context: Any) -> Any:
        threading.Event().wait(1)
        return note

    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_timeout_ms", 2000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # It would take our PINGs for abuse otherwise.
        ("grpc.http2.min_ping_interval_without_data_ms", 10),
        ("grpc.http2.max_ping_strikes", 0),
    ]
    limits = LinkLimits(keepalive_time_s=0.05, keepalive_timeout_s=5)
    async with calling(echo, unary=unary, options=options) as grpcio:
        async with grpcio.channel(limits) as channel:
            assert (await call_unary(grpcio, channel, echo.note("x"))).text == "x"
            assert channel.is_open


async def test_a_server_that_stops_gracefully(echo: EchoSchema) -> None:
    async with calling(echo, unary=echo_note, both=echo_notes) as grpcio:
        async with grpcio.channel() as channel, channel.request(echo.both) as stream:
            await stream.send_message(echo.note("1"))
            assert (await receive(stream)).text == "1"
            await grpcio.stop(WAIT_S)
            while channel.is_open:  # noqa: ASYNC110 - grpcio's GOAWAY is no event of ours
                await trio.sleep(0.01)
            # The call goes on after the GOAWAY, new ones do not begin.
            await stream.send_message(echo.note("2"))
            assert (await receive(stream)).text == "2"
            with pytest.raises((GRPCError, ConnectionLost)):
                await call_unary(grpcio, channel, echo.note())
            await stream.end()
            assert await stream.recv_message() is None
            await channel.wait_closed()


async def test_a_server_that_stops_at_once(echo: EchoSchema) -> None:
    async with calling(echo, both=echo_notes) as grpcio:
        async with grpcio.channel() as channel, channel.request(echo.both) as stream:
            await stream.send_message(echo.note("1"))
            await stream.recv_message()
            await grpcio.stop(None)
            with pytest.raises((GRPCError, StreamTerminatedError)):
                await stream.recv_message()
            await channel.wait_closed()


async def test_compressed_replies_are_refused(echo: EchoSchema) -> None:
    def unary(note: Any, context: Any) -> Any:
        context.set_compression(grpc.Compression.Gzip)
        return note

    async with calling(echo, unary=unary) as grpcio, grpcio.channel() as channel:
        with pytest.raises(GRPCError, match="compressed messages are not supported") as caught:
            await call_unary(grpcio, channel, echo.note("a" * 10_000))
        assert caught.value.status is Status.UNIMPLEMENTED

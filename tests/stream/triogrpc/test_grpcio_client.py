"""grpcio's client against our server, on loopback sockets."""

import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc
import trio

from derproto.triogrpc import GRPCError, LinkLimits, ServerStream, Status
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.grpcio_client import failure, serving, timed
from tests.stream.triogrpc.interop import NARROW, WAIT_S, EchoSchema, Progress, serve_down
from tests.stream.triogrpc.support import echo_both, echo_unary


async def test_each_cardinality(echo: EchoSchema) -> None:
    async def up(stream: ServerStream) -> None:
        texts = [note.text async for note in stream]
        await stream.send_message(echo.note("".join(texts)))

    handlers = {
        echo.unary: echo_unary,
        echo.down: serve_down,
        echo.up: up,
        echo.both: echo_both,
    }
    async with serving(echo, handlers) as served:

        def calls() -> None:
            stub = served.stub
            assert timed(stub.Unary, echo.note("é")).text == "é"
            assert [n.count for n in timed(stub.Down, echo.note(count=5))] == [0, 1, 2, 3, 4]
            assert timed(stub.Up, iter([echo.note(t) for t in "abc"])).text == "abc"
            assert timed(stub.Up, iter(())).text == ""
            notes = [echo.note(t) for t in "xyz"]
            assert [n.text for n in timed(stub.Both, iter(notes))] == ["x", "y", "z"]

        await served.in_thread(calls)


async def test_metadata(echo: EchoSchema) -> None:
    async def handler(stream: ServerStream) -> None:
        assert stream.metadata.getall("color") == ["red", "blue"]
        assert stream.metadata["raw-bin"] == bytes(range(256))
        assert stream.user_agent is not None
        assert "grpc-python" in stream.user_agent
        await stream.send_initial_metadata(metadata=[("first", "1"), ("first-bin", b"\xff")])
        await stream.send_message(await stream.recv_message())
        last: list[tuple[str, str | bytes]] = [("last", "2"), ("last-bin", b"\x00\x01\x02")]
        await stream.send_trailing_metadata(metadata=last)

    async with serving(echo, {echo.unary: handler}) as served:

        def call() -> None:
            metadata = [("color", "red"), ("color", "blue"), ("raw-bin", bytes(range(256)))]
            _, call = timed(served.stub.Unary.with_call, echo.note(), metadata=metadata)
            first, last = dict(call.initial_metadata()), dict(call.trailing_metadata())
            assert (first["first"], first["first-bin"]) == ("1", b"\xff")
            assert (last["last"], last["last-bin"]) == ("2", b"\x00\x01\x02")

        await served.in_thread(call)


async def test_statuses(echo: EchoSchema) -> None:
    async def unary(stream: ServerStream) -> None:
        note = await stream.recv_message()
        assert note is not None
        raise GRPCError(Status(note.count), note.text)

    async def down(stream: ServerStream) -> None:
        await stream.send_message(echo.note())
        raise GRPCError(Status.ABORTED, "mitten drin 🔌 100%")

    async def both(stream: ServerStream) -> None:
        raise ValueError("not told")

    async with serving(echo, {echo.unary: unary, echo.down: down, echo.both: both}) as served:

        def calls() -> None:
            stub = served.stub
            for status in Status:
                if status is not Status.OK:
                    text = f"{status.name} «ünï» \n 100% 🔌"
                    note = echo.note(text, count=status.value)
                    assert failure(stub.Unary, note) == (status.name, text)
            assert failure(stub.Down, echo.note()) == ("ABORTED", "mitten drin 🔌 100%")
            assert failure(stub.Both, iter(())) == ("UNKNOWN", "Internal Server Error")
            assert failure(stub.Up, iter(())) == ("UNIMPLEMENTED", "Method not found")

        await served.in_thread(calls)


async def test_large_messages(echo: EchoSchema) -> None:
    async with serving(echo, {echo.unary: echo_unary}, limits=NARROW) as served:

        def call() -> None:
            note = echo.note(payload=bytes(3_000_000))
            assert timed(served.stub.Unary, note) == note

        await served.in_thread(call)


async def test_messages_above_the_bound(echo: EchoSchema) -> None:
    limits = LinkLimits(max_message_bytes=100_000)
    handlers = {echo.unary: echo_unary, echo.down: serve_down}
    async with serving(echo, handlers, limits=limits) as served:

        def calls() -> None:
            stub = served.stub
            code, message = failure(stub.Unary, echo.note(payload=bytes(3_000_000)))
            assert code == "RESOURCE_EXHAUSTED"
            assert "is larger than 100000" in message
            code, _ = failure(stub.Down, echo.note(count=1, size=100_001))
            assert code == "RESOURCE_EXHAUSTED"
            assert timed(stub.Unary, echo.note("fine")).text == "fine"

        await served.in_thread(calls)


async def test_compressed_messages_are_refused(echo: EchoSchema) -> None:
    async with serving(echo, {echo.unary: echo_unary}) as served:
        note = echo.note("a" * 10_000)
        code, message = await served.in_thread(
            failure, served.stub.Unary, note, compression=grpc.Compression.Gzip
        )
        assert (code, message) == ("UNIMPLEMENTED", "compressed messages are not supported")


async def test_the_client_cancels(echo: EchoSchema) -> None:
    started, cancelled = threading.Event(), trio.Event()

    async def handler(stream: ServerStream) -> None:
        started.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving(echo, {echo.unary: handler}) as served:

        def call() -> None:
            future = served.stub.Unary.future(echo.note(), timeout=WAIT_S)
            assert started.wait(WAIT_S)
            future.cancel()

        await served.in_thread(call)
        with trio.fail_after(WAIT_S):
            await cancelled.wait()
        assert not served.server.statistics().errors


async def test_the_server_cancels(echo: EchoSchema) -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        await stream.cancel()

    async with serving(echo, {echo.unary: handler}) as served:
        code, _ = await served.in_thread(failure, served.stub.Unary, echo.note())
        assert code == "CANCELLED"


async def test_deadlines(echo: EchoSchema) -> None:
    ended = trio.Event()
    remaining: list[float] = []

    async def handler(stream: ServerStream) -> None:
        assert stream.deadline is not None
        remaining.append(stream.deadline.time_remaining())
        try:
            await trio.sleep_forever()
        finally:
            ended.set()

    async with serving(echo, {echo.unary: handler}) as served:
        code, _ = await served.in_thread(failure, served.stub.Unary, echo.note(), timeout=0.3)
        assert code == "DEADLINE_EXCEEDED"
        with trio.fail_after(WAIT_S):
            await ended.wait()
        # grpcio rounds up to the next millisecond.
    assert 0 < remaining[0] <= 0.302


async def test_a_client_that_does_not_read_holds_back_the_handler(echo: EchoSchema) -> None:
    progress = Progress()

    async def handler(stream: ServerStream) -> None:
        asked = await stream.recv_message()
        assert asked is not None
        for _ in range(asked.count):
            await stream.send_message(echo.note(payload=bytes(asked.size)))
            progress.step()

    # Without grpcio's own probing, which would widen the window.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 65_536)]
    async with serving(echo, {echo.down: handler}, options=options) as served:
        replies = await served.in_thread(
            timed, served.stub.Down, echo.note(count=1000, size=10_000)
        )
        sent = await progress.wait_held_back()
        assert sent < 100
        assert await served.in_thread(lambda: sum(1 for _ in replies)) == 1000


async def test_a_handler_that_does_not_receive_holds_back_the_client(echo: EchoSchema) -> None:
    go = trio.Event()
    progress = Progress()

    async def handler(stream: ServerStream) -> None:
        await go.wait()
        count = 0
        async for _ in stream:
            count += 1
        await stream.send_message(echo.note(count=count))

    def notes() -> Iterator[Any]:
        for _ in range(1000):
            yield echo.note(payload=bytes(10_000))
            progress.step()

    async with serving(echo, {echo.up: handler}, limits=NARROW) as served:
        future = served.stub.Up.future(notes(), timeout=WAIT_S)
        # grpcio has some of its own in buffers besides our window's 64 KiB.
        assert await progress.wait_held_back() < 100
        assert served.server.statistics().bytes_received < 100_000
        go.set()
        assert (await served.in_thread(future.result)).count == 1000


async def test_the_server_ends_a_call_while_the_client_sends(echo: EchoSchema) -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        raise GRPCError(Status.FAILED_PRECONDITION, "enough")

    stop = threading.Event()

    def notes() -> Iterator[Any]:
        while not stop.is_set():
            yield echo.note(payload=bytes(10_000))

    async with serving(echo, {echo.up: handler, echo.unary: echo_unary}) as served:
        code, message = await served.in_thread(failure, served.stub.Up, notes())
        stop.set()
        assert (code, message) == ("FAILED_PRECONDITION", "enough")
        assert (await served.in_thread(timed, served.stub.Unary, echo.note("on"))).text == "on"


async def test_a_conversation(echo: EchoSchema) -> None:
    async with serving(echo, {echo.both: echo_both}) as served:

        def converse() -> None:
            notes: queue.Queue[Any] = queue.Queue()
            replies = timed(served.stub.Both, iter(notes.get, None))
            for number in range(200):
                notes.put(echo.note(count=number))
                assert next(replies).count == number
            notes.put(None)
            assert list(replies) == []

        await served.in_thread(converse)


async def test_more_calls_than_streams(echo: EchoSchema) -> None:
    most = running = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        await trio.sleep(0.01)
        running -= 1
        await stream.send_message(await stream.recv_message())

    async with serving(echo, {echo.unary: handler}, limits=LinkLimits(max_streams=4)) as served:

        def calls() -> None:
            futures = [
                served.stub.Unary.future(echo.note(count=n), timeout=WAIT_S) for n in range(50)
            ]
            assert [future.result().count for future in futures] == list(range(50))

        await served.in_thread(calls)
        assert most == 4


async def test_tls_on_both_sides(echo: EchoSchema, certificates: Certificates) -> None:
    async def handler(stream: ServerStream) -> None:
        note = await stream.recv_message()
        certificate = stream.peer_certificate
        assert note is not None
        assert certificate is not None
        assert stream.peer.startswith("127.0.0.1:")
        await stream.send_message(echo.note(str(certificate["subjectAltName"])))

    handlers = {echo.unary: handler, echo.down: serve_down}
    async with serving(echo, handlers, certificates=certificates) as served:
        reply = await served.in_thread(timed, served.stub.Unary, echo.note("x"))
        assert reply.text == "(('email', 'agent@example.org'),)"

        def large() -> int:
            notes = timed(served.stub.Down, echo.note(count=10, size=1_000_000))
            return sum(len(note.payload) for note in notes)

        assert await served.in_thread(large) == 10_000_000


async def test_keepalive_both_ways(echo: EchoSchema) -> None:
    options = [
        ("grpc.keepalive_time_ms", 100),
        ("grpc.keepalive_timeout_ms", 2000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    # Sooner than grpcio's, else its own would make ours needless.
    limits = LinkLimits(keepalive_time_s=0.05, keepalive_timeout_s=5)

    async def handler(stream: ServerStream) -> None:
        await stream.recv_message()
        await trio.sleep(1)
        await stream.send_message(echo.note("still"))

    async with serving(echo, {echo.unary: handler}, limits=limits, options=options) as served:
        assert (await served.in_thread(timed, served.stub.Unary, echo.note())).text == "still"
        assert served.server.statistics().connections_total == 1
        assert not served.server.statistics().errors


async def test_drain(echo: EchoSchema) -> None:
    started, go = trio.Event(), trio.Event()

    async def handler(stream: ServerStream) -> None:
        started.set()
        await go.wait()
        await stream.send_message(await stream.recv_message())

    async with serving(echo, {echo.unary: handler}) as served:
        future = served.stub.Unary.future(echo.note("last"), timeout=WAIT_S)
        with trio.fail_after(WAIT_S):
            await started.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(served.server.drain, WAIT_S)
            code, _ = await served.in_thread(failure, served.stub.Unary, echo.note())
            assert code == "UNAVAILABLE"
            go.set()
            assert (await served.in_thread(future.result)).text == "last"


async def test_an_undecodable_message(echo: EchoSchema) -> None:
    async with serving(echo, {echo.unary: echo_unary}) as served:
        raw = served.channel.unary_unary(echo.unary.path)
        code, message = await served.in_thread(failure, raw, b"\xff\xff\xff")
        assert code == "INVALID_ARGUMENT"
        assert message.startswith("not a Note: DecodeError")

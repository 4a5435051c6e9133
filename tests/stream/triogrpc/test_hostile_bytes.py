"""Bytes from a peer that means no good: they end its connection, and nothing else."""

from collections.abc import Awaitable, Callable
from functools import partial

import h2.config
import h2.connection
import pytest
import trio
import trio.testing
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from derproto.triogrpc import (
    GRPCError,
    LinkLimits,
    Server,
    ServerStream,
    Status,
    StreamTerminatedError,
    connect,
)
from derproto.triogrpc.testing import MemoryNetwork, MemoryStream, memory_pair
from tests.stream.triogrpc.support import BOTH, CODEC, ECHO, call_unary, framed, request_headers

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LIMITS = LinkLimits(max_message_bytes=1000, max_control_frames_per_30_s=50)


def in_virtual_time(main: Callable[[], Awaitable[None]]) -> None:
    trio.run(main, clock=MockClock(autojump_threshold=0))


def frame(
    kind: int, flags: int, stream_id: int, payload: bytes, length: int | None = None
) -> bytes:
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload


def good_session() -> bytes:
    """What a client sends in two calls, one of them with several messages."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    client.initiate_connection()
    client.send_headers(1, request_headers(path=BOTH.path, key_bin="AAEC"))
    client.send_data(1, framed(b"first") + framed(b"second"))
    client.ping(b"12345678")
    client.send_headers(3, request_headers(grpc_timeout="10S"))
    client.send_data(3, framed(b"only"), end_stream=True)
    client.increment_flow_control_window(1000, 1)
    client.send_data(1, framed(b"third"), end_stream=True)
    return client.data_to_send()


GOOD = good_session()
HEADERS_OF_GOOD = GOOD[GOOD.index(b"\x01\x04\x00\x00\x00\x01") + 6 :][:100]

payloads = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", bytes(4), bytes(8), b"\xff" * 5, HEADERS_OF_GOOD, framed(b"x")]),
)
frames = st.builds(
    frame,
    st.integers(0, 12),
    st.sampled_from([0, 1, 4, 5, 8, 9, 0x20, 0x24, 0x2D, 0xFF]),
    st.sampled_from([0, 1, 2, 3, 5, 7, 2**31 - 1, 2**32 - 1]),
    payloads,
    st.one_of(st.none(), st.sampled_from([0, 1, 2**14, 2**14 + 1, 2**24 - 1])),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """The good session with a few bytes changed, left out or put in."""
    data = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        match draw(st.sampled_from(["change", "drop", "insert", "flip"])):
            case "change":
                data[at] = draw(st.integers(0, 255))
            case "drop":
                del data[at : at + draw(st.integers(1, 20))]
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=20))
            case "flip":
                data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


hostile = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=200).map(PREFACE.__add__),
    st.lists(frames, max_size=12).map(lambda some: PREFACE + b"".join(some)),
    st.lists(frames, max_size=8).map(lambda some: GOOD + b"".join(some)),
    mutated(),
)


async def linger(stream: ServerStream) -> None:
    async for message in stream:
        await stream.send_message(message)
        await trio.sleep(1)


async def send_in_pieces(stream: MemoryStream, data: bytes, size: int) -> None:
    try:
        for start in range(0, len(data), size):
            await stream.send_all(data[start : start + size])
            await trio.lowlevel.checkpoint()
    except trio.BrokenResourceError:
        pass


async def read_on(stream: MemoryStream) -> None:
    try:
        while await stream.receive_some():
            pass
    except trio.BrokenResourceError:
        pass


@settings(max_examples=250, deadline=None)
@given(data=hostile, size=st.sampled_from([1, 9, 50, 10_000]), reads=st.booleans())
@example(data=GOOD, size=1, reads=True)
def test_a_server_survives(data: bytes, size: int, reads: bool) -> None:
    async def main() -> None:
        network = MemoryNetwork()
        server = Server({**ECHO, BOTH: linger}, codec=CODEC, limits=LIMITS)
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [network.listen("x")])
            beside = await network.connect("x")
            async with connect(beside, authority="x", codec=CODEC) as channel:
                assert await call_unary(channel, b"before") == b"before"
                bad = await network.connect("x")
                if reads:
                    nursery.start_soon(read_on, bad)
                await send_in_pieces(bad, data, size)
                assert await call_unary(channel, b"beside") == b"beside"
                # Long enough for every timeout to strike.
                await trio.sleep(100)
                assert server.statistics().connections_open <= 2
                await bad.aclose()
                assert await call_unary(channel, b"after") == b"after"
            fresh = await network.connect("x")
            async with connect(fresh, authority="x", codec=CODEC) as channel:
                assert await call_unary(channel, b"fresh") == b"fresh"
            with trio.fail_after(10):
                await server.drain(0)
        statistics = server.statistics()
        assert (statistics.connections_open, statistics.streams_open) == (0, 0)
        assert not {"connection", "handler"} & statistics.errors.keys()

    in_virtual_time(main)


async def answer(data: bytes, size: int, stream: MemoryStream) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_on, stream)
        # So far that there is a call.
        await send_in_pieces(stream, SETTINGS, 100)
        await trio.testing.wait_all_tasks_blocked()
        await send_in_pieces(stream, data, size)
        await trio.sleep(100)
        await stream.aclose()


Fields = list[tuple[str, str]]
OK_HEADERS: Fields = [(":status", "200"), ("content-type", "application/grpc")]


def an_answer(
    headers: Fields | None = OK_HEADERS,
    body: bytes = framed(b"reply"),
    trailers: Fields | None = None,
) -> bytes:
    """What a server says to one unary call; without ``trailers`` the body is the end."""
    config = h2.config.H2Configuration(client_side=False, validate_outbound_headers=False)
    server = h2.connection.H2Connection(config)
    client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    server.initiate_connection()
    client.initiate_connection()
    client.send_headers(1, request_headers())
    client.send_data(1, framed(b"x"), end_stream=True)
    server.receive_data(client.data_to_send())
    if headers is not None:
        server.send_headers(1, headers)
    server.send_data(1, body, end_stream=trailers is None)
    if trailers is not None:
        server.send_headers(1, trailers, end_stream=True)
    return server.data_to_send()


ANSWER = an_answer(trailers=[("grpc-status", "0"), ("key-bin", "AAEC")])
SETTINGS = frame(4, 0, 0, b"")


@st.composite
def mutated_answer(draw: st.DrawFn) -> bytes:
    data = bytearray(ANSWER)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data) - 1))
        if draw(st.booleans()):
            data[at] = draw(st.integers(0, 255))
        else:
            data[at:at] = draw(st.binary(max_size=10))
    return bytes(data)


@settings(max_examples=200, deadline=None)
@given(
    data=st.one_of(
        st.binary(max_size=100),
        st.lists(frames, max_size=8).map(b"".join),
        st.lists(frames, max_size=8).map(lambda some: ANSWER + b"".join(some)),
        mutated_answer(),
    ),
    size=st.sampled_from([1, 9, 10_000]),
)
@example(data=ANSWER, size=1)
def test_a_client_survives(data: bytes, size: int) -> None:
    async def main() -> None:
        client, server = memory_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(answer, data, size, server))
            try:
                async with connect(client, authority="x", codec=CODEC, limits=LIMITS) as channel:
                    await call_unary(channel, b"x", timeout=50)
            except (GRPCError, StreamTerminatedError):
                pass
            nursery.cancel_scope.cancel()

    in_virtual_time(main)


async def answered(data: bytes) -> bytes:
    """A unary call to a server that says ``data``."""
    client, server = memory_pair()
    reply: list[bytes] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(partial(answer, data, 10_000, server))
        try:
            async with connect(client, authority="x", codec=CODEC) as channel:
                reply.append(await call_unary(channel, b"x", timeout=50))
        finally:
            nursery.cancel_scope.cancel()
    return reply[0]


async def test_the_good_answer_is_good(autojump_clock: MockClock) -> None:
    assert await answered(ANSWER) == b"reply"
    assert await answered(an_answer(trailers=[("grpc-status", "0")])) == b"reply"


@pytest.mark.parametrize(
    ("data", "status", "message"),
    [
        (an_answer(body=b"", trailers=[("grpc-status", "0")]), Status.INTERNAL, "no message"),
        (an_answer(), Status.UNKNOWN, "without a status"),
        (an_answer(trailers=[("grpc-status", "soon")]), Status.UNKNOWN, "Invalid grpc-status"),
        (an_answer(trailers=[("grpc-status", "99")]), Status.UNKNOWN, "Invalid grpc-status"),
        (an_answer(trailers=[("x", "y")]), Status.UNKNOWN, "Missing grpc-status"),
        (
            an_answer(trailers=[("grpc-status", "0"), ("x-bin", "a")]),
            Status.INTERNAL,
            "invalid metadata",
        ),
        (
            an_answer([*OK_HEADERS, ("x-bin", "a")], trailers=[("grpc-status", "0")]),
            Status.INTERNAL,
            "invalid metadata",
        ),
        (an_answer([(":status", "503")]), Status.UNAVAILABLE, "503"),
        (
            an_answer([(":status", "200"), ("content-type", "text/html")]),
            Status.UNKNOWN,
            "content-type",
        ),
        (
            an_answer([*OK_HEADERS, ("grpc-status", "5"), ("grpc-message", "n%C3%B6")]),
            Status.NOT_FOUND,
            "nö",
        ),
    ],
)
async def test_odd_answers_are_a_status(
    data: bytes, status: Status, message: str, autojump_clock: MockClock
) -> None:
    with pytest.RaisesGroup(
        pytest.RaisesExc(
            GRPCError, check=lambda e: e.status is status and message in (e.message or "")
        )
    ):
        await answered(data)

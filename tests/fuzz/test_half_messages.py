"""A headend whose messages are halves, or lie about their length: no order takes effect by them.

The agent goes on measuring, and its next session is a good one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
import trio
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived
from h2.exceptions import ProtocolError
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from derproto.base.runtime import virtual_runtime
from derproto.codec import encoder
from derproto.der import v1
from derproto.headend_rpc import SESSION, MessageCodec
from derproto.triogrpc import Server, ServerStream
from derproto.triogrpc.testing import MemoryListener, MemoryNetwork, MemoryStream
from tests.fuzz.agent import ASSET, HEADEND, WELCOME, one_agent
from tests.fuzz.mutation import effort, mutated
from tests.support.epoch import T0, S

CALL = 1
"""The stream of a connection's first call."""
POWERS = [0.25, 0.5, 0.75, 1.25]
"""Powers of the orders; each is of one order."""
PATIENCE_S = 1800.0
"""Time in which an agent has a good session again."""


def setpoint(place: int) -> v1.HeadendMessage:
    order = v1.Setpoint(f"order-{place}", 0, POWERS[place], remaining_us=3600 * S)
    return v1.HeadendMessage(setpoint=order)


MESSAGES = [
    encoder(v1.HeadendMessage)(message)
    for message in (
        *(setpoint(place) for place in range(len(POWERS))),
        v1.HeadendMessage(alive=v1.Alive(session_us=5)),
        v1.HeadendMessage(goodbye=v1.Goodbye(reconnect_after_ms=7000)),
    )
]
GREETING = encoder(v1.HeadendMessage)(v1.HeadendMessage(welcome=WELCOME))


@dataclass(frozen=True)
class Piece:
    """One message as it is sent."""

    body: bytes
    fault: str
    share: float

    def sent(self) -> bytes:
        size, most = len(self.body), 2**32 - 1
        flag, length = 0, size
        match self.fault:
            case "longer":
                length = size + 1 + int(self.share * 100)
            case "shorter":
                length = int(self.share * size)
            case "huge":
                length = most - int(self.share * 2**31)
            case "flag":
                flag = 1 + int(self.share * 254)
            case _:
                pass
        data = bytes([flag]) + length.to_bytes(4, "big") + self.body
        return data[: int(self.share * len(data))] if self.fault == "half" else data


faults = st.sampled_from(["half", "longer", "shorter", "huge", "flag"])
shares = st.floats(0, 1, exclude_max=True)
pieces = st.lists(
    st.builds(Piece, st.sampled_from(MESSAGES), st.one_of(st.just(""), faults), shares), max_size=5
)
welcomes = st.builds(Piece, st.just(GREETING), st.one_of(*[st.just("")] * 5, faults), shares)


@dataclass(frozen=True)
class Sitting:
    """What a headend sends in one session, in frames of how many bytes, and how that ends."""

    pieces: list[Piece]
    frame_bytes: int
    end: str

    def sent(self) -> bytes:
        """All that is sent; a half message is the last."""
        data = b""
        for piece in self.pieces:
            data += piece.sent()
            if piece.fault == "half":
                break
        return data

    def whole_orders(self) -> set[float]:
        """The powers of all orders that went out whole, before anything else and a goodbye."""
        powers: set[float] = set()
        for piece in self.pieces:
            if piece.fault or piece.body == MESSAGES[-1]:
                break
            if piece.body in MESSAGES[: len(POWERS)]:
                powers.add(POWERS[MESSAGES.index(piece.body)])
        return powers


ENDS = ["end", "trailers", "reset", "goaway", "close", "cut", "silence"]
sittings = st.builds(
    lambda welcome, rest, size, end: Sitting([welcome, *rest], size, end),
    *(welcomes, pieces, st.sampled_from([1, 4, 5, 6, 50, 10_000]), st.sampled_from(ENDS)),
)


@effort(25)
@given(script=st.lists(sittings, min_size=1, max_size=3))
def test_half_messages_have_no_effect(
    caplog: pytest.LogCaptureFixture, script: list[Sitting]
) -> None:
    async def serve(listener: MemoryListener) -> None:
        for sitting in script:
            async with await listener.accept() as stream:
                await sit(stream, sitting)

    told = survive(serve, caplog)
    orders = [sitting.whole_orders() for sitting in script]
    assert told <= {ASSET.default_mw}.union(*orders)
    # Later ones may repeat what was superseded.
    first = next((each for each in orders if each), None)
    assert first is None or told & first


async def sit(stream: MemoryStream, sitting: Sitting) -> None:
    """Speaks HTTP/2 as it should be, and sends what the sitting holds."""
    h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    h2.initiate_connection()
    try:
        await stream.send_all(h2.data_to_send())
        while not any(isinstance(e, DataReceived) for e in h2.receive_data(await take(stream))):
            await stream.send_all(h2.data_to_send())
        h2.send_headers(CALL, [(":status", "200"), ("content-type", "application/grpc")])
        data = sitting.sent()
        for start in range(0, len(data), sitting.frame_bytes):
            h2.send_data(CALL, data[start : start + sitting.frame_bytes])
            await stream.send_all(h2.data_to_send())
        await trio.sleep(1)
        match sitting.end:
            case "end":
                h2.end_stream(CALL)
            case "trailers":
                h2.send_headers(CALL, [("grpc-status", "0")], end_stream=True)
            case "reset":
                h2.reset_stream(CALL, 8)
            case "goaway":
                h2.close_connection()
            case "cut":
                stream.cut()
                return
            case _:
                pass
        await stream.send_all(h2.data_to_send())
        with trio.move_on_after(70 if sitting.end == "silence" else 3):
            while True:
                await take(stream)
    except (EOFError, ProtocolError, trio.BrokenResourceError):
        pass


async def take(stream: MemoryStream) -> bytes:
    """The next bytes. Raises: EOFError, trio.BrokenResourceError."""
    data = bytes(await stream.receive_some())
    if not data:
        raise EOFError
    return data


def survive(
    serve: Callable[[MemoryListener], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> set[float]:
    """Runs an agent whose headend is ``serve``, then a good one; returns what was told a device."""
    caplog.clear()

    async def main() -> set[float]:
        network, good = MemoryNetwork(), trio.Event()

        async def welcome(stream: ServerStream) -> None:
            await stream.recv_message()
            await stream.send_message(v1.HeadendMessage(welcome=WELCOME))
            good.set()
            await trio.sleep_forever()

        async with trio.open_nursery() as nursery:
            listener = network.listen(HEADEND)
            async with one_agent(network, virtual_runtime(T0)) as (board, device):
                with trio.fail_after(PATIENCE_S):
                    await serve(listener)
                    server = Server({SESSION: welcome}, codec=MessageCodec())
                    await nursery.start(server.serve, [listener])
                    await good.wait()
                before = device.reads
                await trio.sleep(20)
                assert device.reads > before
                assert board.up
            nursery.cancel_scope.cancel()
        return set(device.told)

    told = trio.run(main, clock=MockClock(autojump_threshold=0))
    assert "a bug of the agent" not in caplog.text
    return told


async def record() -> bytes:
    """The bytes of a good headend in a session of some seconds."""
    network, sent = MemoryNetwork(), bytearray()

    async def serve(stream: ServerStream) -> None:
        await stream.recv_message()
        await stream.send_message(v1.HeadendMessage(welcome=WELCOME))
        await stream.send_message(setpoint(0))
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listener = network.listen("real")
        await nursery.start(Server({SESSION: serve}, codec=MessageCodec()).serve, [listener])
        relay = network.listen(HEADEND)
        async with one_agent(network, virtual_runtime(T0)):
            near, far = await relay.accept(), await network.connect("real")

            async def upward() -> None:
                while True:
                    await far.send_all(await take(near))

            nursery.start_soon(upward)
            with trio.move_on_after(9):
                while True:
                    data = await take(far)
                    sent += data
                    await near.send_all(data)
            nursery.cancel_scope.cancel()
    return bytes(sent)


GOOD_BYTES = trio.run(record, clock=MockClock(autojump_threshold=0))
SETTINGS_BYTES = 9 + int.from_bytes(GOOD_BYTES[:3], "big")
TOKENS = [
    *(b"\0\0\4\0\0\0\0\0", b"\0\0\4\3\0\0\0\0\1\0\0\0\0", b"\0\0\4\3\0\0\0\0\1\0\0\0\x08"),
    *(b"\0\0\4\x08\0\0\0\0\0\x7f\xff\xff\xff", b"\0\0\x08\6\0\0\0\0\0abcdefgh", b"\xff" * 9),
    *(b"\0\0\5\0\0\0\0\0\1\0\0\0\0\0", b"\0\0\0\0\1\0\0\0\1", b"\0\0\1\1\5\0\0\0\1\x88"),
    *(
        b"\0\0\x08\7\0\0\0\0\0\0\0\0\1\0\0\0\0",
        b"\0\0\4\5\4\0\0\0\1\0\0\0\2",
        b"HTTP/1.1 200 OK\r\n",
    ),
]


def play_bytes(
    attacks: list[tuple[bytes, int, bool]], caplog: pytest.LogCaptureFixture
) -> set[float]:
    async def serve(listener: MemoryListener) -> None:
        for data, size, cut in attacks:
            async with await listener.accept() as stream:
                try:
                    # An agent opens its call when it has the settings, the first frame.
                    await stream.send_all(data[:SETTINGS_BYTES])
                    await trio.sleep(1)
                    for start in range(SETTINGS_BYTES, len(data), size):
                        await stream.send_all(data[start : start + size])
                        await trio.sleep(0.01)
                    with trio.move_on_after(3 if cut else 100):
                        while True:
                            await take(stream)
                except (EOFError, trio.BrokenResourceError):
                    pass

    return survive(serve, caplog)


def test_the_recorded_headend_is_a_good_one(caplog: pytest.LogCaptureFixture) -> None:
    assert play_bytes([(GOOD_BYTES, 100_000, True)], caplog) == {POWERS[0], ASSET.default_mw}


@effort(15)
@given(
    attacks=st.lists(
        st.tuples(mutated([GOOD_BYTES], TOKENS), st.sampled_from([7, 100, 100_000]), st.booleans()),
        min_size=1,
        max_size=3,
    )
)
def test_an_agent_outlives_any_bytes(
    caplog: pytest.LogCaptureFixture, attacks: list[tuple[bytes, int, bool]]
) -> None:
    play_bytes(attacks, caplog)

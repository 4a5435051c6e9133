"""Cutting messages out of a stream's bytes, and the window's accounts."""

from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
from grpclib.const import Status
from hypothesis import given
from hypothesis import strategies as st

from derproto.triogrpc import GRPCError
from derproto.triogrpc.connection.inbound import Inbound, Turn
from derproto.triogrpc.core.budget import Budget
from derproto.triogrpc.core.deadline import decode_timeout
from derproto.triogrpc.core.link_limits import LinkLimits
from derproto.triogrpc.core.reassembly import ReassemblyPool
from tests.stream.triogrpc.support import framed


class Window:
    """What an ``Inbound`` gave back of its window."""

    def __init__(self, max_message_bytes: int = 1_000_000) -> None:
        self.acked = 0
        self.inbound = Inbound(
            self._ack,
            Turn(trio.Lock()),
            ReassemblyPool(2**20),
            limits=LinkLimits(max_message_bytes=max_message_bytes),
            malformed=Status.INVALID_ARGUMENT,
        )

    def _ack(self, size: int) -> None:
        assert size > 0
        self.acked += size


@given(
    bodies=st.lists(st.binary(max_size=300), max_size=20),
    cuts=st.lists(st.integers(1, 200), min_size=1, max_size=20),
    padding=st.integers(0, 10),
)
def test_messages_come_whole_however_they_are_cut(
    bodies: list[bytes], cuts: list[int], padding: int
) -> None:
    data = b"".join(framed(body) for body in bodies)
    window = Window()

    async def main() -> None:
        added = 0

        async def feed() -> None:
            nonlocal added
            start = 0
            index = 0
            while start < len(data):
                chunk = data[start : start + cuts[index % len(cuts)]]
                start += len(chunk)
                index += 1
                window.inbound.add(chunk, len(chunk) + padding)
                added += len(chunk) + padding
                if index % 3 == 0:
                    await trio.lowlevel.checkpoint()
            window.inbound.eof()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed)
            received = [body async for body in messages(window.inbound)]
        assert received == bodies
        assert window.acked + window.inbound.unacked_size() == added

    trio.run(main)


async def messages(inbound: Inbound) -> AsyncIterator[bytes]:
    while (body := await inbound.receive()) is not None:
        yield body


async def test_the_window_opens_as_messages_are_taken() -> None:
    window = Window()
    one = framed(bytes(1000))
    for _ in range(4):
        window.inbound.add(one, len(one))
    assert window.acked == 0
    for taken in range(1, 5):
        await window.inbound.receive()
        assert window.acked == taken * len(one)


async def test_the_window_opens_for_the_rest_of_a_message_that_is_waited_for() -> None:
    window = Window()
    window.inbound.add(framed(bytes(1000))[:500], 500)
    assert window.acked == 0
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(window.inbound.receive)
            await trio.testing.wait_all_tasks_blocked()
            assert window.acked == 500
            scope.cancel()


async def test_the_window_stays_for_a_message_too_large() -> None:
    window = Window(max_message_bytes=100)
    window.inbound.add(framed(bytes(101))[:50], 50)
    with pytest.raises(GRPCError, match="larger than 100"):
        await window.inbound.receive()
    assert window.acked == 0


@given(limit=st.integers(1, 20), gaps=st.lists(st.floats(0, 5), max_size=100))
def test_a_budget_holds_in_each_window(limit: int, gaps: list[float]) -> None:
    budget = Budget(limit, 10.0)
    now = 0.0
    granted: list[float] = []
    for gap in gaps:
        now += gap
        if budget.spend(now):
            granted.append(now)
    for start in granted:
        assert sum(1 for at in granted if start <= at < start + 10) <= 2 * limit
    # And what is slow enough always passes.
    assert all(Budget(limit, 10.0).spend(at) for at in granted)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("1H", 3600), ("2M", 120), ("3S", 3), ("4m", 0.004), ("5u", 5e-6), ("6n", 6e-9), ("0n", 0)],
)
def test_timeouts(value: str, seconds: float) -> None:
    assert decode_timeout(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["", "1", "S", "-1S", "1.5S", "123456789S", "1s", "1S\n", "٣S"])
def test_malformed_timeouts_are_refused(value: str) -> None:
    with pytest.raises(ValueError, match="invalid grpc-timeout"):
        decode_timeout(value)

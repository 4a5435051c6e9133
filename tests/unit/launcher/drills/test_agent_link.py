"""The relay of an agent's link, and what each fault does to its bytes."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from launcher.links.agent_link import AgentLink
from launcher.links.corruption import Corruption
from tests.support.waiting import PATIENCE_S


@dataclass
class Ends:
    """Both ends of a connection through the link, in memory."""

    link: AgentLink
    agent: trio.abc.Stream
    headend: trio.abc.Stream

    async def sent(self, data: bytes) -> float:
        """Sends to the headend; how long until all of it is there."""
        began_s = trio.current_time()
        await self.agent.send_all(data)
        assert await read(self.headend, len(data)) == data
        return trio.current_time() - began_s


async def read(stream: trio.abc.Stream, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await stream.receive_some()
        assert more, f"the stream ended after {data!r}"
        data += more
    return data


@asynccontextmanager
async def connected() -> AsyncIterator[Ends]:
    ours, theirs = memory_stream_pair()
    agent, relayed = memory_stream_pair()

    async def dial() -> trio.abc.Stream:
        return ours

    link = AgentLink(dial)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(link.relay, relayed)
        await wait_all_tasks_blocked()
        yield Ends(link, agent, theirs)
        nursery.cancel_scope.cancel()


async def test_a_good_link_carries_bytes_at_once_both_ways(autojump_clock: MockClock) -> None:
    async with connected() as ends:
        assert await ends.sent(b"telemetry") == 0
        await ends.headend.send_all(b"setpoint")
        assert await read(ends.agent, 8) == b"setpoint"


async def test_a_link_ends_with_either_end(autojump_clock: MockClock) -> None:
    async with connected() as ends:
        await ends.agent.send_all(b"last words")
        await ends.agent.aclose()
        assert await read(ends.headend, 10) == b"last words"
        assert await ends.headend.receive_some() == b""


async def test_a_delay_holds_every_byte_back_for_as_long(autojump_clock: MockClock) -> None:
    async with connected() as ends:
        with ends.link.delay(0.5):
            await ends.agent.send_all(b"one")
            await trio.sleep(0.2)
            # A second chunk is under way at the same time, not after the first.
            assert await ends.sent(b"") == 0
            await ends.agent.send_all(b"two")
            assert await read(ends.headend, 3) == b"one"
            assert trio.current_time() == pytest.approx(0.5)
            assert await read(ends.headend, 3) == b"two"
            assert trio.current_time() == pytest.approx(0.7)
        assert await ends.sent(b"three") == 0


async def test_a_throttled_link_carries_so_many_bytes_a_second(autojump_clock: MockClock) -> None:
    async with connected() as ends:
        with ends.link.throttle(1000), ends.link.throttle(500):
            assert await ends.sent(bytes(2000)) == pytest.approx(4, abs=0.2)
        # The rest of a chunk does not wait once the link is quick again.
        with ends.link.throttle(10):
            await ends.agent.send_all(bytes(1000))
            await trio.sleep(1)
        left_s = trio.current_time()
        await read(ends.headend, 1000)
        assert trio.current_time() == left_s


async def test_a_corrupt_link_changes_bytes_and_keeps_their_number(
    autojump_clock: MockClock,
) -> None:
    data = bytes(50_000)
    async with connected() as ends:
        with ends.link.corrupt(Corruption(1000, random.Random(1))):
            await ends.agent.send_all(data)
            arrived = await read(ends.headend, len(data))
        assert len(arrived) == len(data)
        assert 25 <= sum(map(bool, arrived)) <= 100
        await ends.sent(data)


def test_the_same_seed_changes_the_same_bytes_however_they_are_cut() -> None:
    whole = Corruption(10, random.Random(3)).apply(bytes(1000))
    pieces = Corruption(10, random.Random(3))
    assert b"".join(pieces.apply(bytes(length)) for length in (1, 99, 0, 900)) == whole


async def test_a_blackhole_tells_nobody_and_what_was_sent_arrives_later(
    autojump_clock: MockClock,
) -> None:
    async with connected() as ends:
        with ends.link.blackhole():
            with ends.link.blackhole():
                await ends.agent.send_all(b"lost?")
                await trio.sleep(5)
            with trio.move_on_after(60) as waiting:
                await ends.headend.receive_some()
            assert waiting.cancelled_caught
        assert await read(ends.headend, 5) == b"lost?"


async def test_a_connection_that_began_in_a_blackhole_ends_with_it(
    autojump_clock: MockClock,
) -> None:
    async with connected() as ends:
        agent, relayed = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            with ends.link.blackhole():
                nursery.start_soon(ends.link.relay, relayed)
                await agent.send_all(b"hello?")
                with trio.move_on_after(60) as waiting:
                    await agent.receive_some()
                assert waiting.cancelled_caught
            assert await agent.receive_some() == b""


async def test_half_open_ends_the_headends_half_only(autojump_clock: MockClock) -> None:
    async with connected() as ends:
        await ends.sent(b"telemetry")
        await ends.link.half_open()
        assert await ends.headend.receive_some() == b""
        await ends.agent.send_all(b"hello?")
        with trio.move_on_after(60) as waiting:
            await ends.agent.receive_some()
        assert waiting.cancelled_caught
        await ends.agent.aclose()
        await wait_all_tasks_blocked()


# --- on sockets -----------------------------------------------------------------------


@asynccontextmanager
async def on_sockets() -> AsyncIterator[
    tuple[AgentLink, trio.SocketStream, trio.MemoryReceiveChannel[trio.SocketStream]]
]:
    """A link on loopback, a connection through it, and the headend's ends of all connections."""
    headends, waiting = trio.open_memory_channel[trio.SocketStream](10)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    link = AgentLink(partial(trio.open_tcp_stream, "127.0.0.1", port))

    async def keep(stream: trio.SocketStream) -> None:
        async with stream:
            await headends.send(stream)
            await trio.sleep_forever()

    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, keep, listeners)
            await nursery.start(link.serve)
            async with await dialed(link) as agent:
                yield link, agent, waiting
            nursery.cancel_scope.cancel()


async def dialed(link: AgentLink) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", link.port)


async def test_a_cut_ends_connections_and_refuses_new_ones_until_it_is_over() -> None:
    async with on_sockets() as (link, agent, headends):
        headend = await headends.receive()
        await agent.send_all(b"x")
        assert await headend.receive_some() == b"x"
        with link.cut():
            assert await agent.receive_some() == b""
            assert await headend.receive_some() == b""
            async with await dialed(link) as refused:
                with pytest.raises(trio.BrokenResourceError):
                    await refused.receive_some()
        async with await dialed(link) as again:
            await again.send_all(b"y")
            headend = await headends.receive()
            assert await headend.receive_some() == b"y"


async def test_a_reset_breaks_both_ends() -> None:
    async with on_sockets() as (link, agent, headends):
        headend = await headends.receive()
        await agent.send_all(b"x")
        assert await headend.receive_some() == b"x"
        link.reset()
        for end in (agent, headend):
            with pytest.raises(trio.BrokenResourceError):
                await end.receive_some()


async def test_without_a_headend_a_connection_ends_and_the_link_stays() -> None:
    async def dial() -> trio.abc.Stream:
        raise ConnectionRefusedError

    link = AgentLink(dial)
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(link.serve)
            for _ in range(2):
                async with await dialed(link) as agent:
                    assert await agent.receive_some() == b""
            nursery.cancel_scope.cancel()

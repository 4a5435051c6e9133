"""What a connection may cost before its service admits it, and who gives way at a full server."""

import gc
from dataclasses import replace

import pytest
import trio
from grpclib.const import Status
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, RemoteSettingsChanged, StreamReset
from h2.settings import SettingCodes
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from derproto.triogrpc import GRPCError, LinkLimits, NewcomerLimits, ServerStream
from derproto.triogrpc.connection.http2 import Http2
from derproto.triogrpc.connection.inbound import UNCOUNTED_BYTES, Inbound, Turn
from derproto.triogrpc.connection.link import Link
from derproto.triogrpc.core.newcomers import Newcomers
from derproto.triogrpc.core.reassembly import ReassemblyPool
from tests.stream.triogrpc.support import BOTH, Pair, RawClient, framed, request_headers, serving

KIB = 1024
LIMITS = LinkLimits(
    max_connections=20,
    max_message_bytes=100 * KIB,
    max_reassembly_bytes=512 * KIB,
    newcomers=NewcomerLimits(max_message_bytes=60 * KIB, address_share=5),
)
HEADERS = request_headers(path=BOTH.path)


async def admit_first(stream: ServerStream) -> None:
    """Admits a client with its first message, and echoes all of them."""
    async for message in stream:
        if message == b"register":
            stream.admit()
        await stream.send_message(message[:10])


async def registered(pair: Pair) -> tuple[RawClient, int]:
    client = await pair.raw()
    call = await client.request(HEADERS, framed(b"register"), end=False)
    while not any(getattr(event, "data", None) for event in client.events):
        assert await client.receive()
    return client, call


# --- what it may send ---------------------------------------------------------------------


async def test_a_newcomer_has_one_call_and_an_admitted_connection_has_all() -> None:
    async with serving({BOTH: admit_first}, LIMITS) as pair:
        client = await pair.raw()
        # Both before the client has read how many calls it may have.
        first = await client.request(HEADERS, end=False)
        second = await client.request(HEADERS, end=False)
        reset = await client.wait_event(StreamReset, second)
        assert reset.error_code is ErrorCodes.REFUSED_STREAM
        settings = await client.wait_event(RemoteSettingsChanged)
        announced = settings.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        assert announced.new_value == 1
        client.h2.send_data(first, framed(b"register"))
        await client.flush()
        settings = await client.wait_event(RemoteSettingsChanged)
        announced = settings.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS]
        assert announced.new_value == LIMITS.max_streams
        third = await client.request(HEADERS, framed(b"third"))
        assert (await client.status(third))["grpc-status"] == "0"


@pytest.mark.parametrize("ends_by", ["the client", "the server"])
async def test_an_ended_connection_is_freed_without_the_garbage_collector(ends_by: str) -> None:
    def links() -> int:
        return sum(isinstance(each, Link | Http2) for each in gc.get_objects())

    limits = replace(LIMITS, max_connections=1)
    async with serving({BOTH: admit_first}, limits) as pair:
        gc.collect()
        gc.disable()
        try:
            before = links()
            for _ in range(5):
                client = await pair.raw()
                await client.request(HEADERS, framed(b"hello"), end=False)
                await client.wait_event(DataReceived)
                if ends_by == "the client":
                    await client.stream.aclose()
                    await wait_all_tasks_blocked()
            await wait_all_tasks_blocked()
            assert links() <= before + 2
        finally:
            gc.enable()


async def test_a_call_that_is_taken_back_before_it_is_refused_ends_no_connection() -> None:
    async with serving({BOTH: admit_first}, LIMITS) as pair:
        client = await pair.raw()
        first = await client.request(HEADERS, end=False)
        second = client.h2.get_next_available_stream_id()
        client.h2.send_headers(second, HEADERS)
        client.h2.reset_stream(second, ErrorCodes.CANCEL)
        client.h2.send_data(first, framed(b"register"), end_stream=True)
        await client.flush()
        assert (await client.status(first))["grpc-status"] == "0"


async def test_a_newcomers_message_has_a_small_bound_that_ends_with_its_admission() -> None:
    large = framed(bytes(80 * KIB))
    async with serving({BOTH: admit_first}, LIMITS) as pair:
        client = await pair.raw()
        call = await client.request(HEADERS, large[:5], end=False)
        status = await client.status(call)
        assert status["grpc-status"] == str(Status.RESOURCE_EXHAUSTED.value)
        client, call = await registered(pair)
        client.h2.send_data(call, large[: 16 * KIB])
        for start in range(16 * KIB, len(large), 16 * KIB):
            piece = large[start : start + 16 * KIB]
            while client.h2.local_flow_control_window(call) < len(piece):
                await client.receive()
            client.h2.send_data(call, piece)
        client.h2.end_stream(call)
        await client.flush()
        assert (await client.status(call))["grpc-status"] == "0"
        # Another call of the same connection is a newcomer again.
        call = await client.request(HEADERS, large[:5], end=False)
        status = await client.status(call)
        assert status["grpc-status"] == str(Status.RESOURCE_EXHAUSTED.value)


async def test_a_header_block_in_pieces_is_bounded_before_it_ends() -> None:
    async with serving({}) as pair:
        client = await pair.raw()
        # Its acknowledgement of these settings must not come within the header block.
        await client.flush()
        await client.wait_event(RemoteSettingsChanged)
        piece = bytes(15 * KIB)
        size = len(piece).to_bytes(3, "big")
        headers = size + b"\x01\x00" + (1).to_bytes(4, "big") + piece
        continuation = size + b"\x09\x00" + (1).to_bytes(4, "big") + piece
        await client.stream.send_all(headers + continuation)
        end = await client.wait_end()
        assert isinstance(end, ConnectionTerminated)
        assert end.error_code is ErrorCodes.ENHANCE_YOUR_CALM


# --- what all of them may hold ------------------------------------------------------------


def gathered_bytes() -> int:
    """What all calls of this process hold of messages that are not whole."""
    return sum(len(each._bytes) for each in gc.get_objects() if isinstance(each, Inbound))


async def test_unfinished_messages_of_all_connections_have_one_share() -> None:
    limits = LinkLimits(max_reassembly_bytes=512 * KIB)
    unfinished = framed(bytes(300 * KIB))[: 120 * KIB]
    before = gathered_bytes()
    async with serving({BOTH: admit_first}, limits) as pair:
        clients = []
        for _ in range(20):
            client = await pair.raw()
            call = await client.request(HEADERS, end=False)
            for start in range(0, len(unfinished), 16 * KIB):
                piece = unfinished[start : start + 16 * KIB]
                while client.h2.local_flow_control_window(call) < len(piece):
                    assert await client.receive()
                client.h2.send_data(call, piece)
                await client.flush()
            await trio.testing.wait_all_tasks_blocked()
            clients.append((client, call))
            assert gathered_bytes() - before <= 512 * KIB
            assert 0 < pair.server.statistics().unfinished_bytes <= 512 * KIB
        ended = 0
        for client, call in clients[:16]:
            status = await client.status(call)
            ended += status["grpc-status"] == str(Status.RESOURCE_EXHAUSTED.value)
        assert ended == 16
        del clients
        await pair.check_serves()


class Call:
    """A call as the pool sees it."""

    def __init__(self, admitted: bool) -> None:
        self.admitted = admitted
        self.gave_up = False

    def give_up(self) -> None:
        self.gave_up = True


def test_a_call_that_is_not_admitted_gives_up_before_an_older_one_that_is() -> None:
    pool = ReassemblyPool(100)
    agent, newcomer, second = Call(True), Call(False), Call(True)
    pool.hold(agent, 40)
    pool.hold(newcomer, 40)
    pool.hold(second, 40)
    assert (agent.gave_up, newcomer.gave_up, second.gave_up) == (False, True, False)
    pool.hold(second, 70)
    assert (agent.gave_up, second.gave_up) == (True, False)
    pool.hold(second, 101)
    assert second.gave_up
    assert pool.held_bytes == 0


@given(
    steps=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 150)), max_size=60)
)
def test_the_pool_never_holds_more_than_its_bound(steps: list[tuple[int, bool, int]]) -> None:
    pool = ReassemblyPool(100)
    calls = [Call(number % 2 == 0) for number in range(6)]
    held = dict.fromkeys(range(6), 0)
    for number, release, size in steps:
        if release:
            pool.release(calls[number])
            held[number] = 0
        else:
            pool.hold(calls[number], size)
            held[number] = size
        for each, call in enumerate(calls):
            if call.gave_up:
                held[each], call.gave_up = 0, False
        assert pool.held_bytes == sum(held.values()) <= 100


async def test_a_message_within_a_frame_is_not_counted() -> None:
    pool = ReassemblyPool(1)
    inbound = Inbound(
        lambda _size: None,
        Turn(trio.Lock()),
        pool,
        limits=LinkLimits(),
        malformed=Status.INTERNAL,
    )
    unfinished = framed(bytes(2 * UNCOUNTED_BYTES))
    inbound.add(unfinished[:UNCOUNTED_BYTES], UNCOUNTED_BYTES)
    with trio.move_on_after(0):
        await inbound.receive()
    assert pool.held_bytes == 0
    inbound.add(bytes(1), 1)
    with pytest.raises(GRPCError, match="too many unfinished messages"):
        await inbound.receive()


# --- who gives way ------------------------------------------------------------------------


async def test_connections_that_never_register_do_not_keep_a_fleet_out(
    autojump_clock: MockClock,
) -> None:
    async with serving({BOTH: admit_first}, LIMITS) as pair:
        silent = [await pair.raw() for _ in range(LIMITS.max_connections)]
        for client in silent:
            await client.flush()
        fleet = [await registered(pair) for _ in range(LIMITS.max_connections)]
        statistics = pair.server.statistics()
        assert statistics.errors["yielded"] == len(silent)
        assert statistics.connections_refused == 0
        for client in silent:
            await client.wait_end()
        # Who has registered gives way to nobody.
        late = await pair.raw()
        await late.wait_end()
        assert pair.server.statistics().connections_refused == 1
        for client, call in fleet:
            client.h2.end_stream(call)
            await client.flush()
            assert (await client.status(call))["grpc-status"] == "0"


async def test_the_newcomer_that_gives_way_is_the_oldest(autojump_clock: MockClock) -> None:
    async with serving({BOTH: admit_first}, LIMITS) as pair:
        clients = [await pair.raw() for _ in range(LIMITS.max_connections + 1)]
        await clients[0].wait_end()
        for client in clients[1:]:
            await client.wait_event(RemoteSettingsChanged)


def test_an_address_beyond_its_share_gives_way_before_older_ones() -> None:
    newcomers = Newcomers[int](address_share=3)
    few, many = [0, 1, 2], [3, 4, 5, 6, 7]
    for number in (*few, *many):
        newcomers.add(number, "few" if number in few else "many")
    yielded = []
    while (first := newcomers.first_to_yield()) is not None:
        newcomers.remove(first)
        yielded.append(first)
    assert yielded == [*many[:2], *few, *many[2:]]
    assert len(newcomers) == 0


@given(
    steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.booleans())),
    share=st.integers(1, 4),
)
def test_newcomers_are_forgotten_when_they_go(
    steps: list[tuple[str, int, bool]], share: int
) -> None:
    newcomers, there = Newcomers[int](share), dict[int, str]()
    for address, number, comes in steps:
        if comes and number not in there:
            newcomers.add(number, address)
            there[number] = address
        elif not comes:
            newcomers.remove(number)
            there.pop(number, None)
        crowded = {a for a in "abc" if list(there.values()).count(a) > share}
        first = newcomers.first_to_yield()
        assert (first is None) == (not there)
        if first is not None and crowded:
            assert there[first] in crowded
        elif first is not None:
            assert first == next(iter(there))
    assert len(newcomers) == len(there)

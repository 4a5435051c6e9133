"""The one task that reads all sockets: what comes, what ends, and who has to wait for whom."""

import socket
from collections.abc import Callable
from contextlib import ExitStack

import pytest
import trio
import trio.testing

from derproto.triogrpc.sockets.reading import READ_BYTES, SharedReader


class Peer:
    """A connected pair of sockets, and what the reader took from ours."""

    def __init__(self) -> None:
        self.theirs, self.ours = socket.socketpair()
        self.ours.setblocking(False)
        self.taken: list[bytes | None] = []
        self.on_take: Callable[[], None] = lambda: None

    def take(self, data: bytes | None, now: float) -> None:
        assert now <= trio.current_time()
        self.taken.append(data)
        self.on_take()

    def close(self) -> None:
        self.theirs.close()
        self.ours.close()


@pytest.fixture
def reader(nursery: trio.Nursery) -> SharedReader:
    reader = SharedReader()
    nursery.start_soon(reader.run)
    return reader


async def test_bytes_come_in_order_then_the_end(reader: SharedReader) -> None:
    peer = Peer()
    with reader.reading(peer.ours, peer.take):
        peer.theirs.send(b"one")
        await reader.caught_up()
        peer.theirs.send(b"two")
        peer.theirs.shutdown(socket.SHUT_WR)
        await reader.caught_up()
        await reader.caught_up()
    assert peer.taken[:2] == [b"one", b"two"]
    assert set(peer.taken[2:]) == {b""}
    peer.close()


async def test_a_broken_socket_is_told_as_such(reader: SharedReader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        peer = Peer()
        peer.close()
        peer.ours, _ = listener.accept()
        peer.ours.setblocking(False)
    # Closing with unread bytes resets the connection.
    peer.ours.send(b"unread")
    with reader.reading(peer.ours, peer.take):
        theirs.close()
        await reader.caught_up()
    assert peer.taken[0] is None
    peer.close()


async def test_outside_its_block_nothing_is_taken(reader: SharedReader) -> None:
    peer = Peer()
    with reader.reading(peer.ours, peer.take):
        pass
    peer.theirs.send(b"late")
    await reader.caught_up()
    assert peer.taken == []
    peer.close()


async def test_a_socket_that_ends_during_a_sweep_is_skipped(reader: SharedReader) -> None:
    peers = [Peer(), Peer()]
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(reader.reading(peers[0].ours, peers[0].take))
        second.enter_context(reader.reading(peers[1].ours, peers[1].take))
        # Whichever is read first ends the other.
        peers[0].on_take = second.close
        peers[1].on_take = first.close
        for peer in peers:
            peer.theirs.send(b"x")
        await reader.caught_up()
    assert sorted(len(peer.taken) for peer in peers) == [0, 1]
    for peer in peers:
        peer.close()


async def test_caught_up_means_that_all_that_had_come_is_taken(reader: SharedReader) -> None:
    peers = [Peer() for _ in range(200)]
    with ExitStack() as reading:
        for peer in peers:
            reading.enter_context(reader.reading(peer.ours, peer.take))
        for peer in peers:
            peer.theirs.send(b"here")
        await reader.caught_up()
        assert all(peer.taken == [b"here"] for peer in peers)
    for peer in peers:
        peer.close()


async def test_flooding_sockets_share_a_turn_and_come_last(reader: SharedReader) -> None:
    floods, quiet = [Peer() for _ in range(30)], Peer()
    order: list[Peer] = []

    def slow(peer: Peer) -> None:
        # As long as a turn: of the floods one is read in each sweep.
        order.append(peer)
        until = trio.current_time() + 0.001
        while trio.current_time() < until:
            pass

    with ExitStack() as reading:
        for flood in floods:
            flood.on_take = lambda flood=flood: slow(flood)  # type: ignore[misc]
            reading.enter_context(reader.reading(flood.ours, flood.take))
            flood.theirs.setblocking(False)
            flood.theirs.send(bytes(8 * READ_BYTES))
        quiet.on_take = lambda: order.append(quiet)
        reading.enter_context(reader.reading(quiet.ours, quiet.take))
        # Their first reads find out who floods.
        while len(order) < len(floods):
            await trio.lowlevel.checkpoint()
        before = len(order)
        quiet.theirs.send(b"a heartbeat")
        while quiet not in order:
            await trio.lowlevel.checkpoint()
        # At most the rest of the sweep under way, and the turn of one.
        assert order.index(quiet) - before <= 2
        # And each of them has its turn: none is read twice before all were read once more.
        while len(order) < before + 1 + 2 * len(floods):
            await trio.lowlevel.checkpoint()
        after = [peer for peer in order[len(floods) :] if peer is not quiet]
        assert set(after[: len(floods)]) == set(floods)
    for peer in (*floods, quiet):
        peer.close()


async def test_a_task_woken_by_a_message_runs_before_the_rest_is_read(
    reader: SharedReader, nursery: trio.Nursery
) -> None:
    peers = [Peer() for _ in range(50)]
    order: list[str] = []
    woken = trio.Event()

    async def somebody() -> None:
        await woken.wait()
        order.append("somebody")

    def wake() -> None:
        order.append("read")
        woken.set()
        reader.give_way()

    nursery.start_soon(somebody)
    with ExitStack() as reading:
        for peer in peers:
            peer.on_take = wake
            reading.enter_context(reader.reading(peer.ours, peer.take))
            peer.theirs.send(b"x")
        await reader.caught_up()
    assert order.count("read") == 50
    # In the next turn the two of them may come in either order.
    assert order.index("somebody") in (1, 2)
    for peer in peers:
        peer.close()


async def test_caught_up_returns_after_the_reader_has_ended() -> None:
    reader, peer = SharedReader(), Peer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        with reader.reading(peer.ours, peer.take):
            await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                await reader.caught_up()
    await reader.caught_up()
    peer.close()


async def test_a_socket_added_after_the_readers_end_does_not_wait() -> None:
    """A connection whose task begins as all of them are cancelled."""
    reader, peer = SharedReader(), Peer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    peer.theirs.send(b"x")
    with reader.reading(peer.ours, peer.take):
        await reader.caught_up()
    assert peer.taken == []
    peer.close()


async def test_caught_up_waits_for_the_turns_of_those_that_flood(reader: SharedReader) -> None:
    floods = [Peer() for _ in range(30)]

    def slow() -> None:
        # Two or three of them fill a turn.
        until = trio.current_time() + 0.0002
        while trio.current_time() < until:
            pass

    with ExitStack() as reading:
        for flood in floods:
            reading.enter_context(reader.reading(flood.ours, flood.take))
            flood.theirs.setblocking(False)
            flood.theirs.send(bytes(READ_BYTES))
        await reader.caught_up()
        for flood in floods:
            assert flood.taken == [bytes(READ_BYTES)]
            flood.taken.clear()
            flood.on_take = slow
            flood.theirs.send(bytes(2 * READ_BYTES))
        await reader.caught_up()
        assert all(flood.taken for flood in floods)
    for flood in floods:
        flood.close()


async def test_caught_up_waits_for_none_that_has_left(reader: SharedReader) -> None:
    floods = [Peer() for _ in range(10)]
    with ExitStack() as reading:

        def leave_all() -> None:
            until = trio.current_time() + 0.001
            while trio.current_time() < until:
                pass
            reading.close()

        for flood in floods:
            reading.enter_context(reader.reading(flood.ours, flood.take))
            flood.theirs.setblocking(False)
            flood.theirs.send(bytes(READ_BYTES))
        await reader.caught_up()
        for flood in floods:
            flood.on_take = leave_all
            flood.theirs.send(bytes(READ_BYTES))
        with trio.fail_after(5):
            await reader.caught_up()
        assert sum(len(flood.taken) for flood in floods) == len(floods) + 1
    for flood in floods:
        flood.close()

"""The network in memory: it must behave as sockets do, and fail on demand."""

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc.testing import (
    BUFFER_BYTES,
    FAST,
    MemoryNetwork,
    MemoryStream,
    Path,
    memory_pair,
)


async def make_pair() -> tuple[MemoryStream, MemoryStream]:
    return memory_pair()


async def make_clogged_pair() -> tuple[MemoryStream, MemoryStream]:
    client, server = memory_pair()
    await client.send_all(bytes(BUFFER_BYTES))
    await server.send_all(bytes(BUFFER_BYTES))
    return client, server


async def test_a_memory_stream_passes_trios_checks() -> None:
    await trio.testing.check_two_way_stream(make_pair, make_clogged_pair)


async def test_a_memory_stream_can_be_closed_halfway() -> None:
    client, server = memory_pair()
    await client.send_all(b"question")
    await client.send_eof()
    assert await server.receive_some() == b"question"
    assert await server.receive_some() == b""
    await server.send_all(b"answer")
    assert await client.receive_some() == b"answer"


async def connected(name: str = "x") -> tuple[MemoryNetwork, MemoryStream, MemoryStream]:
    network = MemoryNetwork()
    listener = network.listen(name)
    client = await network.connect(name)
    return network, client, await listener.accept()


async def test_names() -> None:
    network = MemoryNetwork()
    with pytest.raises(ConnectionRefusedError):
        await network.connect("x")
    listener = network.listen("x")
    with pytest.raises(OSError, match="in use"):
        network.listen("x")
    client = await network.connect("x")
    assert client.peer_text == "memory:x"
    await listener.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()
    with pytest.raises(ConnectionRefusedError):
        await network.connect("x")
    with pytest.raises(trio.ClosedResourceError):
        await listener.accept()
    network.listen("x")
    await network.connect("x")


async def test_closing_a_listener_ends_its_accept() -> None:
    listener = MemoryNetwork().listen("x")

    async def accept() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await listener.accept()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        await trio.testing.wait_all_tasks_blocked()
        await listener.aclose()


async def test_cut_breaks_both_ends() -> None:
    network, client, server = await connected()
    await client.send_all(b"lost")
    broken = 0

    async def receive(stream: MemoryStream) -> None:
        nonlocal broken
        with pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"x")
        broken += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive, client)
        await trio.testing.wait_all_tasks_blocked()
        network.cut("x")
        nursery.start_soon(receive, server)
    assert broken == 2
    # The name itself still works.
    again = await network.connect("x")
    await again.send_all(b"x")


async def test_refuse() -> None:
    network, client, server = await connected()
    network.refuse("x", True)
    with pytest.raises(ConnectionRefusedError):
        await network.connect("x")
    await client.send_all(b"goes on")
    assert await server.receive_some() == b"goes on"
    network.refuse("x", False)
    await network.connect("x")


async def test_stall_holds_bytes_back_and_then_lets_them_flow_in_order(
    autojump_clock: MockClock,
) -> None:
    network, client, server = await connected()
    await client.send_all(b"1")
    network.stall("x", True)
    await client.send_all(b"2")
    await client.send_eof()
    with trio.move_on_after(3600) as scope:
        await server.receive_some()
    assert scope.cancelled_caught
    network.stall("x", False)
    assert await server.receive_some() == b"12"
    assert await server.receive_some() == b""


async def test_stall_holds_back_senders_at_the_bound_and_new_connections() -> None:
    network, client, server = await connected()
    network.stall("x", True)
    done: list[str] = []

    async def send() -> None:
        await client.send_all(bytes(BUFFER_BYTES + 1))
        done.append("sent")

    async def connect() -> None:
        await network.connect("x")
        done.append("connected")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        nursery.start_soon(connect)
        await trio.testing.wait_all_tasks_blocked()
        assert not done
        network.stall("x", False)
        assert len(await server.receive_some()) == BUFFER_BYTES
    assert sorted(done) == ["connected", "sent"]


async def test_cut_ends_a_stalled_connection_too() -> None:
    network, client, _ = await connected()
    network.stall("x", True)
    network.cut("x")
    with pytest.raises(trio.BrokenResourceError):
        await client.receive_some()


@pytest.mark.parametrize("trouble", ["stalled", "lost"])
async def test_a_close_is_no_news_where_nothing_comes_through(trouble: str) -> None:
    network, client, server = await connected()
    if trouble == "stalled":
        network.stall("x", True)
    else:
        network.lose("x")
    await server.aclose()
    await client.send_all(b"into the void")
    if trouble == "stalled":
        network.stall("x", False)
        with pytest.raises(trio.BrokenResourceError):
            await client.send_all(b"now it is known")


async def test_a_slow_path_delivers_late_and_in_order(autojump_clock: MockClock) -> None:
    network, client, server = await connected()
    network.take_path("x", Path(delay_s=2.0, bytes_per_s=10.0))
    await client.send_all(bytes(20))
    await client.send_all(b"later")
    await client.send_eof()
    assert len(await server.receive_some()) == 20
    # Two seconds for the bytes to leave, and two on their way.
    assert trio.current_time() == pytest.approx(4.0)
    assert await server.receive_some() == b"later"
    assert trio.current_time() == pytest.approx(4.5)
    assert await server.receive_some() == b""


async def test_what_is_under_way_goes_on_at_the_new_speed(autojump_clock: MockClock) -> None:
    network, client, server = await connected()
    network.take_path("x", Path(bytes_per_s=1.0))
    await client.send_all(bytes(1000))
    await trio.sleep(5)
    network.take_path("x", FAST)
    assert len(await server.receive_some()) == 1000
    assert trio.current_time() == pytest.approx(5.0)


async def test_a_slow_path_holds_back_senders_at_the_bound(autojump_clock: MockClock) -> None:
    network, client, _ = await connected()
    network.take_path("x", Path(delay_s=3600.0))
    assert client.send_nowait(bytes(2 * BUFFER_BYTES)) == BUFFER_BYTES
    with trio.move_on_after(1) as scope:
        await client.send_all(b"more")
    assert scope.cancelled_caught


async def test_a_lost_path_looks_open_and_carries_nothing(autojump_clock: MockClock) -> None:
    network, client, server = await connected()
    await client.send_all(b"lost")
    network.lose("x")
    await client.send_all(b"lost as well")
    await client.send_eof()
    with trio.move_on_after(3600) as scope:
        await server.receive_some()
    assert scope.cancelled_caught
    other = await network.connect("x")
    await other.send_all(b"a new connection is well")

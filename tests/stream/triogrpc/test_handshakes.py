"""How a connection begins: accepting, the handshake, other protocols."""

import contextlib
import errno
import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc import ConnectionLost, LinkLimits, Server, connect
from derproto.triogrpc.testing import MemoryListener, MemoryNetwork, MemoryStream, memory_pair
from tests.stream.triogrpc.support import CODEC, ECHO, call_unary, serving


async def test_handshakes_wait_their_turn_and_calls_do_not(autojump_clock: MockClock) -> None:
    limits = LinkLimits(max_handshakes=2, handshake_timeout_s=7)
    async with serving(ECHO, limits) as pair:
        early = await pair.network.connect("server")
        async with connect(early, authority="server", codec=CODEC) as channel:
            assert await call_unary(channel, b"in") == b"in"
            began = trio.current_time()
            for _ in range(2):
                await pair.network.connect("server")
            late = await pair.network.connect("server")
            # Those that are in are served meanwhile.
            assert await call_unary(channel, b"still") == b"still"
            assert trio.current_time() == began
            async with connect(late, authority="server", codec=CODEC) as waiting:
                assert await call_unary(waiting, b"late") == b"late"
                # The oldest of those that say nothing made room, long before its own time.
                assert trio.current_time() - began == pytest.approx(limits.handshake_patience_s)
        errors = pair.server.statistics().errors
    assert errors == {"handshake": 1}


async def test_a_few_silent_connections_keep_no_client_out(autojump_clock: MockClock) -> None:
    async with serving(ECHO, LinkLimits(max_handshakes=2)) as pair:
        for _ in range(8):
            await pair.network.connect("server")
        async with pair.channel() as channel:
            assert await call_unary(channel, b"in") == b"in"
            assert trio.current_time() == pytest.approx(8, abs=0.1)


async def test_a_listener_without_connections_takes_no_place() -> None:
    network, server = (
        MemoryNetwork(),
        Server(ECHO, codec=CODEC, limits=LinkLimits(max_handshakes=1)),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("quiet"), network.listen("busy")])
        for name in ("busy", "quiet", "busy"):
            stream = await network.connect(name)
            async with connect(stream, authority=name, codec=CODEC) as channel:
                assert await call_unary(channel, b"in") == b"in"
        await server.drain(0)


async def test_a_waiting_connection_is_closed_when_the_server_is_cancelled() -> None:
    network, server = (
        MemoryNetwork(),
        Server(ECHO, codec=CODEC, limits=LinkLimits(max_handshakes=1)),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("server")])
        silent, waiting = await network.connect("server"), await network.connect("server")
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with trio.fail_after(1):
        for stream in (silent, waiting):
            await read_to_the_end(stream)


async def read_to_the_end(stream: trio.abc.ReceiveStream) -> None:
    with contextlib.suppress(trio.BrokenResourceError):
        while await stream.receive_some(1000):
            pass


@pytest.mark.parametrize(
    "says", [b"", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"PRI *"], ids=["none", "preface", "part"]
)
async def test_a_peer_that_says_too_little_is_closed(
    says: bytes, autojump_clock: MockClock
) -> None:
    async with serving({}, LinkLimits(handshake_timeout_s=7)) as pair:
        stream = await pair.network.connect("server")
        if says:
            await stream.send_all(says)
        while await stream.receive_some():
            pass
        assert trio.current_time() == pytest.approx(7)
        assert pair.server.statistics().errors == {"handshake": 1}
        await pair.check_serves()


@pytest.mark.parametrize(
    "says", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"\0" * 50]
)
async def test_another_protocol_is_closed(says: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving({}) as pair:
        stream = await pair.network.connect("server")
        await stream.send_all(says)
        while await stream.receive_some():
            pass
        assert pair.server.statistics().errors == {"protocol": 1}
        (line,) = caplog.text.splitlines()
        assert 'level=warning event="connection ends" peer=' in line
        assert " error=protocol reason=" in line
        await pair.check_serves()


async def test_a_server_that_says_nothing_is_left(autojump_clock: MockClock) -> None:
    client, _server = memory_pair()
    with pytest.raises(ConnectionLost, match="no HTTP/2 settings in time"):
        async with connect(client, authority="x", codec=CODEC):
            pytest.fail("there is no server")
    assert trio.current_time() == pytest.approx(LinkLimits().handshake_timeout_s)


async def test_a_server_of_another_protocol_is_left() -> None:
    client, server = memory_pair()
    await server.send_all(b"SSH-2.0-OpenSSH_9.6\r\n")
    with pytest.raises(ConnectionLost, match="protocol error"):
        async with connect(client, authority="x", codec=CODEC):
            pytest.fail("that is no HTTP/2")


class FailingListener(trio.abc.Listener[trio.abc.Stream]):
    """Accepts from another listener after some failures."""

    def __init__(self, inner: MemoryListener, errors: list[OSError]) -> None:
        self.inner = inner
        self.errors = errors

    async def accept(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        if self.errors:
            raise self.errors.pop()
        return await self.inner.accept()

    async def aclose(self) -> None:
        await self.inner.aclose()


async def test_a_failing_accept_is_tried_again(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    network = MemoryNetwork()
    server = Server(ECHO, codec=CODEC)
    errors = [OSError(errno.EMFILE, "too many files"), OSError(errno.EIO, "odd")]
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [FailingListener(network.listen("x"), errors)])
        async with connect(await network.connect("x"), authority="x", codec=CODEC) as channel:
            assert await call_unary(channel, b"x") == b"x"
        await server.drain(1)
    assert server.statistics().errors == {"accept": 2}
    # The first is logged; those that follow soon are only counted.
    (line,) = caplog.text.splitlines()
    assert 'event="accept failed" retry_in_s=0.1 traceback=' in line


async def test_a_listener_that_somebody_closes_is_left(caplog: pytest.LogCaptureFixture) -> None:
    network = MemoryNetwork()
    server = Server(ECHO, codec=CODEC)
    a, b = network.listen("a"), network.listen("b")
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [a, b])
        await trio.testing.wait_all_tasks_blocked()
        await a.aclose()
        await trio.testing.wait_all_tasks_blocked()
        async with connect(await network.connect("b"), authority="b", codec=CODEC) as channel:
            assert await call_unary(channel, b"x") == b"x"
        await server.drain(1)


async def test_a_fault_of_ours_ends_one_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Odd(MemoryStream):
        async def receive_some(self, max_bytes: int | None = None) -> bytes:
            raise RuntimeError("odd stream")

    network = MemoryNetwork()
    server = Server(ECHO, codec=CODEC)
    listener = network.listen("x")
    accept: Callable[[], Awaitable[MemoryStream]] = listener.accept

    async def accept_odd() -> MemoryStream:
        stream = await accept()
        if server.statistics().connections_total == 0:
            stream.__class__ = Odd
        return stream

    monkeypatch.setattr(listener, "accept", accept_odd)
    with caplog.at_level(logging.ERROR):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [listener])
            odd = await network.connect("x")
            while await odd.receive_some():
                pass
            async with connect(await network.connect("x"), authority="x", codec=CODEC) as channel:
                assert await call_unary(channel, b"x") == b"x"
            await server.drain(1)
    assert server.statistics().errors == {"connection": 1}
    assert "odd stream" in caplog.text

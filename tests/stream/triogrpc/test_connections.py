"""Connections: their borders, bounds, timeouts and ends."""

import contextlib
import errno
import logging
from collections.abc import Awaitable, Callable

import h2.events
import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
)

from derproto.triogrpc import (
    ConnectionLost,
    GRPCError,
    LinkLimits,
    Server,
    ServerStream,
    Status,
    connect,
)
from derproto.triogrpc.testing import MemoryListener, MemoryNetwork, MemoryStream, memory_pair
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    ECHO,
    RawClient,
    call_unary,
    framed,
    request_headers,
    serving,
)


async def sleep(stream: ServerStream) -> None:
    await trio.sleep_forever()


# -- the handshake -----------------------------------------------------------------------


async def test_handshakes_wait_their_turn_and_calls_do_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
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


async def test_a_few_that_say_nothing_keep_nobody_out(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with serving(ECHO, LinkLimits(max_handshakes=2)) as pair:
        for _ in range(8):
            await pair.network.connect("server")
        async with pair.channel() as channel:
            assert await call_unary(channel, b"in") == b"in"
            assert trio.current_time() == pytest.approx(8, abs=0.1)


async def test_a_listener_nobody_comes_to_takes_nobodys_place() -> None:
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


async def test_who_waits_to_come_in_is_closed_when_the_server_is_cancelled() -> None:
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
    says: bytes, autojump_clock: trio.testing.MockClock
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
async def test_another_protocol_is_closed(says: bytes) -> None:
    async with serving({}) as pair:
        stream = await pair.network.connect("server")
        await stream.send_all(says)
        while await stream.receive_some():
            pass
        assert pair.server.statistics().errors == {"protocol": 1}
        await pair.check_serves()


async def test_a_server_that_says_nothing_is_left(autojump_clock: trio.testing.MockClock) -> None:
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


# -- silence -----------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["server", "client"])
async def test_a_silent_peer_is_asked_and_closed(
    who: str, autojump_clock: trio.testing.MockClock
) -> None:
    asks = LinkLimits(keepalive_time_s=30, keepalive_timeout_s=5)
    trusts = LinkLimits(keepalive_time_s=1e6)
    server_limits, client_limits = (asks, trusts) if who == "server" else (trusts, asks)
    cancelled = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving({BOTH: handler}, server_limits) as pair:
        async with pair.channel(client_limits) as channel:
            async with channel.request(BOTH) as stream:
                await stream.send_request()
                await trio.sleep(300)
                assert channel.is_open
                pair.network.stall("server", True)
                stalled_at = trio.current_time()
                if who == "server":
                    await cancelled.wait()
                    pair.network.cut("server")
                with pytest.raises(ConnectionLost):
                    await stream.recv_message()
                assert 5 <= trio.current_time() - stalled_at <= 36
                if who == "client":
                    assert channel.closed_because == "no answer to a PING"
                    pair.network.cut("server")
                else:
                    assert pair.server.statistics().errors == {"keepalive": 1}


async def test_a_peer_that_is_heard_is_not_asked(autojump_clock: trio.testing.MockClock) -> None:
    async with serving({}, LinkLimits(keepalive_time_s=30)) as pair:
        raw = await pair.raw()
        await raw.flush()
        for _ in range(20):
            await trio.sleep(20)
            raw.h2.ping(b"12345678")
            await raw.flush()
            await raw.wait_event(h2.events.PingAckReceived)
        assert not [event for event in raw.events if isinstance(event, h2.events.PingReceived)]


@pytest.mark.parametrize("streams", [0, 1])
async def test_a_peer_that_does_not_read_is_closed(
    streams: int, autojump_clock: trio.testing.MockClock
) -> None:
    cancelled = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            while True:
                await stream.send_message(bytes(50_000))
        finally:
            cancelled.set()

    limits = LinkLimits(send_timeout_s=20, keepalive_time_s=1e6, write_buffer_bytes=100_000)
    async with serving({BOTH: handler}, limits) as pair:
        raw = await pair.raw()
        raw.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        raw.h2.increment_flow_control_window(2**31 - 1 - 65535)
        for _ in range(1 + streams):
            await raw.request(request_headers(path=BOTH.path), end=False)
        await cancelled.wait()
        assert trio.current_time() == pytest.approx(20)
        assert pair.server.statistics().errors == {"send_timeout": 1}
        # What was held for it: the write buffer, and what is on its way in the network.
        assert pair.server.statistics().bytes_sent < 300_000
        await pair.check_serves()


async def test_senders_wait_at_the_write_buffers_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    sent = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal sent
        while True:
            await stream.send_message(bytes(995))
            sent += 1

    limits = LinkLimits(write_buffer_bytes=100_000)
    async with serving({BOTH: handler}, limits) as pair:
        raw = await pair.raw()
        raw.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        raw.h2.increment_flow_control_window(2**31 - 1 - 65535)
        await raw.request(request_headers(path=BOTH.path), end=False)
        await trio.testing.wait_all_tasks_blocked()
        # 100 kB in the buffer, of which those being sent may lie in the network already.
        assert 95 <= sent <= 180


async def test_a_slow_reader_is_served_within_the_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    sent = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal sent
        for _ in range(1000):
            await stream.send_message(bytes(4_995))
            sent += 5_000

    limits = LinkLimits(write_buffer_bytes=100_000)
    async with serving({BOTH: handler}, limits) as pair:
        raw = await pair.raw()
        # No window holds anybody back, and no WINDOW_UPDATE wakes anybody.
        raw.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        raw.h2.increment_flow_control_window(2**31 - 1 - 65535)
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        received = 0
        while received < 5_000_000:
            await trio.testing.wait_all_tasks_blocked()
            # The buffer, the network, and what our end has read and not counted yet.
            assert sent - received < 100_000 + 3 * 65_536
            data = await raw.wait_event(h2.events.DataReceived, call)
            received += len(data.data)
        assert (await raw.status(call))["grpc-status"] == "0"


async def test_an_answer_that_a_late_loop_has_not_read_yet_counts(
    mock_clock: trio.testing.MockClock,
) -> None:
    limits = LinkLimits(keepalive_time_s=30, keepalive_timeout_s=10)
    async with serving({}, limits) as pair:
        for _ in range(10):
            # The order in which Trio runs two ready tasks is a matter of chance.
            raw = await pair.raw()
            await raw.flush()
            await trio.testing.wait_all_tasks_blocked()
            mock_clock.jump(30)
            await trio.testing.wait_all_tasks_blocked()
            await raw.stream.send_all(a_ping())
            mock_clock.jump(10)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().connections_open == 1
            await raw.stream.aclose()
            await trio.testing.wait_all_tasks_blocked()
        assert not pair.server.statistics().errors


# -- bounds ------------------------------------------------------------------------------


async def test_connections_above_the_bound_are_closed_at_once() -> None:
    async with serving({}, LinkLimits(max_connections=2)) as pair:
        async with pair.channel() as first, pair.channel():
            third = await pair.network.connect("server")
            assert await third.receive_some() == b""
            assert await call_unary(first, b"x") == b"x"
            assert pair.server.statistics().connections_refused == 1
        await trio.testing.wait_all_tasks_blocked()
        await pair.check_serves()


async def test_calls_above_the_bound_wait_at_our_client() -> None:
    running = most = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await trio.testing.wait_all_tasks_blocked()
        running -= 1
        await stream.send_message(b"done")

    async with serving({BOTH: handler}, LinkLimits(max_streams=3)) as pair:
        async with pair.channel() as channel, trio.open_nursery() as nursery:

            async def call() -> None:
                async with channel.request(BOTH) as stream:
                    await stream.send_request(end=True)
                    assert await stream.recv_message() == b"done"
                    assert await stream.recv_message() is None

            for _ in range(10):
                nursery.start_soon(call)
        assert most == 3


async def test_a_waiting_call_learns_of_the_connections_end() -> None:
    async with serving({BOTH: sleep}, LinkLimits(max_streams=1)) as pair:
        async with pair.channel() as channel, channel.request(BOTH) as first:
            await first.send_request()
            async with channel.request(BOTH) as second, trio.open_nursery() as nursery:

                async def send() -> None:
                    with pytest.raises(ConnectionLost):
                        await second.send_request()

                nursery.start_soon(send)
                await trio.testing.wait_all_tasks_blocked()
                pair.network.cut("server")


async def test_streams_above_the_bound_are_refused() -> None:
    async with serving({BOTH: sleep}, LinkLimits(max_streams=2)) as pair:
        raw = await pair.raw()
        # Before it has seen our SETTINGS, a client may think that it may.
        for _ in range(3):
            last = await raw.request(request_headers(path=BOTH.path), end=False)
        reset = await raw.wait_event(h2.events.StreamReset, last)
        assert reset.error_code == ErrorCodes.REFUSED_STREAM
        assert pair.server.statistics().streams_refused == 1
        assert pair.server.statistics().streams_open == 2


async def test_a_handler_that_cleans_up_counts_as_a_stream() -> None:
    cleaned = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await cleaned.wait()

    async with serving({BOTH: handler}, LinkLimits(max_streams=1)) as pair:
        raw = await pair.raw()
        first = await raw.request(request_headers(path=BOTH.path), end=False)
        await trio.testing.wait_all_tasks_blocked()
        raw.h2.reset_stream(first, ErrorCodes.CANCEL)
        second = await raw.request(request_headers(path=BOTH.path), end=False)
        reset = await raw.wait_event(h2.events.StreamReset, second)
        assert reset.error_code == ErrorCodes.REFUSED_STREAM
        cleaned.set()


async def test_rapid_resets_end_the_connection() -> None:
    async with serving({BOTH: sleep}) as pair:
        raw = await pair.raw()

        async def reset_for_ever() -> None:
            while True:
                call = await raw.request(request_headers(path=BOTH.path), end=False)
                raw.h2.reset_stream(call, ErrorCodes.CANCEL)
                await raw.flush()

        with pytest.raises(trio.BrokenResourceError):
            await reset_for_ever()
        assert pair.server.statistics().streams_total <= 201
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        assert pair.server.statistics().errors["flood"] == 1
        await pair.check_serves()


async def test_resets_in_good_time_do_not(autojump_clock: trio.testing.MockClock) -> None:
    async with serving({BOTH: sleep}) as pair:
        raw = await pair.raw()
        for _ in range(1000):
            call = await raw.request(request_headers(path=BOTH.path), end=False)
            raw.h2.reset_stream(call, ErrorCodes.CANCEL)
            await raw.flush()
            await trio.sleep(0.2)
        answer = await raw.status(await raw.request(request_headers(), framed(b"")))
        assert answer["grpc-status"] == "0"


def a_ping() -> bytes:
    return PingFrame(0, opaque_data=b"12345678").serialize()


def an_empty_frame() -> bytes:
    return DataFrame(1).serialize()


def some_settings() -> bytes:
    return SettingsFrame(0, settings={SettingCodes.MAX_FRAME_SIZE: 20_000}).serialize()


def a_priority() -> bytes:
    return PriorityFrame(1, depends_on=3).serialize()


def an_unknown_frame() -> bytes:
    return b"\x00\x00\x01" + b"\xee" + b"\x00" + bytes(4) + b"?"


FRAMES_WITHOUT_USE = [a_ping, an_empty_frame, some_settings, a_priority, an_unknown_frame]


@pytest.mark.parametrize("frame", FRAMES_WITHOUT_USE)
async def test_a_flood_of_frames_without_use_ends_the_connection(
    frame: Callable[[], bytes],
) -> None:
    async with serving({BOTH: sleep}, LinkLimits(max_control_frames_per_30_s=100)) as pair:
        raw = await pair.raw()
        await raw.request(request_headers(path=BOTH.path), end=False)
        await raw.stream.send_all(frame() * 50)
        await trio.testing.wait_all_tasks_blocked()
        assert pair.server.statistics().connections_open == 1
        await raw.stream.send_all(frame() * 51)
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.ENHANCE_YOUR_CALM
        assert pair.server.statistics().errors == {"flood": 1}
        await pair.check_serves()


async def test_a_peer_that_makes_us_answer_and_does_not_read_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limits = LinkLimits(max_control_frames_per_30_s=10**9, write_buffer_bytes=10_000)
    async with serving({}, limits) as pair:
        raw = await pair.raw()
        await raw.flush()

        async def ping_for_ever() -> None:
            while True:
                await raw.stream.send_all(a_ping() * 100)

        with pytest.raises(trio.BrokenResourceError):
            await ping_for_ever()
        # 64 KiB in the network, as much in the buffer above its bound.
        assert pair.server.statistics().bytes_received < 250_000
        assert pair.server.statistics().errors == {"flood": 1}


async def test_a_header_list_above_the_bound_ends_the_connection() -> None:
    async with serving({}, LinkLimits(max_header_list_bytes=2000)) as pair:
        raw = await pair.raw()
        ok = await raw.request(request_headers(x="y" * 1000), framed(b""))
        assert (await raw.status(ok))["grpc-status"] == "0"
        await raw.request(request_headers(x="y" * 2000), framed(b""))
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.ENHANCE_YOUR_CALM


async def test_a_frame_above_the_bound_is_not_waited_for() -> None:
    async with serving({}) as pair:
        raw = await pair.raw()
        await raw.flush()
        await raw.stream.send_all(b"\xff\xff\xff" + bytes(5) + b"\x01")
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.FRAME_SIZE_ERROR


async def test_a_window_overrun_ends_the_connection() -> None:
    limits = LinkLimits(stream_window_bytes=1000)
    async with serving({BOTH: sleep}, limits) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        await raw.wait_event(h2.events.RemoteSettingsChanged)
        await trio.testing.wait_all_tasks_blocked()
        await raw.stream.send_all(DataFrame(call, data=bytes(1001)).serialize())
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.FLOW_CONTROL_ERROR


# -- the end -----------------------------------------------------------------------------


async def test_drain_lets_calls_finish_and_refuses_new_ones() -> None:
    finish = trio.Event()

    async def handler(stream: ServerStream) -> None:
        await finish.wait()
        await stream.send_message(b"finished")

    async with serving({BOTH: handler}) as pair, pair.channel() as channel:
        raw = await pair.raw()
        await raw.request(request_headers(path=BOTH.path), end=False)
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            await trio.testing.wait_all_tasks_blocked()
            pair.nursery.start_soon(pair.server.drain, 100)
            await trio.testing.wait_all_tasks_blocked()

            # Ours knows by GOAWAY; one that does not care is told.
            assert not channel.is_open
            with pytest.raises(GRPCError) as caught:
                await call_unary(channel, b"")
            assert caught.value.status is Status.UNAVAILABLE
            goaway = await raw.wait_event(h2.events.ConnectionTerminated)
            assert goaway.error_code == ErrorCodes.NO_ERROR
            with pytest.raises(OSError, match="refused"):
                await pair.network.connect("server")

            finish.set()
            assert await stream.recv_message() == b"finished"
            assert await stream.recv_message() is None
        await channel.wait_closed()


async def test_drain_refuses_calls_on_their_way() -> None:
    async with serving({BOTH: sleep}) as pair:
        raw = await pair.raw()
        await raw.request(request_headers(path=BOTH.path), end=False)
        await raw.wait_event(h2.events.SettingsAcknowledged)
        await trio.testing.wait_all_tasks_blocked()
        pair.nursery.start_soon(pair.server.drain, 100)
        await trio.testing.wait_all_tasks_blocked()
        late = await raw.request(request_headers(), framed(b""))
        await trio.testing.wait_all_tasks_blocked()
        # h2's client takes nothing after a GOAWAY: read the frames ourselves.
        data = bytes(await raw.stream.receive_some())
        goaway_at = data.index(b"\x07\x00\x00\x00\x00\x00\x7f\xff\xff\xff\x00\x00\x00\x00") - 3
        for event in raw.h2.receive_data(data[:goaway_at] + data[goaway_at + 17 :]):
            raw.events.append(event)
        answer = await raw.status(late)
        assert answer["grpc-status"] == str(Status.UNAVAILABLE.value)
        assert pair.server.statistics().streams_refused == 1


async def test_drains_grace_has_an_end(autojump_clock: trio.testing.MockClock) -> None:
    async with serving({BOTH: sleep}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            await trio.testing.wait_all_tasks_blocked()
            pair.nursery.start_soon(pair.server.drain, 25)
            with pytest.raises(GRPCError) as caught:
                await stream.recv_message()
            assert caught.value.status is Status.UNAVAILABLE
            assert trio.current_time() == pytest.approx(25)


async def test_drains_end_does_not_wait_for_a_client_that_does_not_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def handler(stream: ServerStream) -> None:
        while True:
            await stream.send_message(bytes(50_000))

    async with serving({BOTH: handler}) as pair:
        raw = await pair.raw()
        raw.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 2**31 - 1})
        raw.h2.increment_flow_control_window(2**31 - 1 - 65535)
        await raw.request(request_headers(path=BOTH.path), end=False)
        await trio.testing.wait_all_tasks_blocked()
        await pair.server.drain(5)
        assert trio.current_time() <= 8


async def test_serve_returns_after_drain() -> None:
    network = MemoryNetwork()
    server = Server(ECHO, codec=CODEC)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("a"), network.listen("b")])
        for name in "ab":
            stream = await network.connect(name)
            async with connect(stream, authority=name, codec=CODEC) as channel:
                assert await call_unary(channel, b"x") == b"x"
        await server.drain(10)
    # The names are free again.
    network.listen("a")


class LateListener(MemoryListener):
    """Whose accept has a connection, and so returns it, although it is cancelled."""

    async def accept(self) -> MemoryStream:
        with trio.CancelScope(shield=True):
            return await super().accept()
        raise AssertionError("a shield lets nothing through")


async def test_a_connection_accepted_as_the_drain_begins_does_not_hold_it_up(
    autojump_clock: trio.testing.MockClock,
) -> None:
    network = MemoryNetwork()
    listener = network._listeners["late"] = LateListener(network, "late")
    server = Server(ECHO, codec=CODEC)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            await nursery.start(server.serve, [listener])
            await trio.testing.wait_all_tasks_blocked()
            await server.drain(10)
            stream = await network.connect("late")
            with pytest.raises(ConnectionLost):
                async with connect(stream, authority="late", codec=CODEC) as channel:
                    await channel.wait_closed()
    assert server.statistics().connections_open == 0


async def test_cancelling_serve_ends_everything_at_once() -> None:
    cancelled = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal cancelled
        try:
            await trio.sleep_forever()
        finally:
            cancelled += 1

    network = MemoryNetwork()
    server = Server({BOTH: handler}, codec=CODEC)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [network.listen("server")])
        for _ in range(3):
            raw = RawClient(await network.connect("server"))
            await raw.request(request_headers(path=BOTH.path), end=False)
            await raw.request(request_headers(path=BOTH.path), end=False)
        await network.connect("server")
        await trio.testing.wait_all_tasks_blocked()
        assert server.statistics().streams_open == 6
        assert server.statistics().connections_open == 4
        nursery.cancel_scope.cancel()
    assert cancelled == 6
    assert server.statistics().streams_open == 0
    assert server.statistics().connections_open == 0


@pytest.mark.parametrize("error_code", [ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR])
async def test_goaway_from_the_client(error_code: ErrorCodes) -> None:
    cancelled = trio.Event()

    async def handler(stream: ServerStream) -> None:
        try:
            await stream.send_message(await stream.recv_message())
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with serving({BOTH: handler}) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        await trio.testing.wait_all_tasks_blocked()
        await raw.stream.send_all(GoAwayFrame(0, error_code=error_code).serialize())
        await trio.testing.wait_all_tasks_blocked()
        if error_code is ErrorCodes.NO_ERROR:
            # The client starts no more calls; those that run go on.
            raw.h2.send_data(call, framed(b"still"))
            await raw.flush()
            data = await raw.wait_event(h2.events.DataReceived, call)
            assert data.data == framed(b"still")
            await raw.stream.aclose()
        await cancelled.wait()


async def test_a_call_that_is_over_frees_its_stream_though_the_client_has_not_ended() -> None:
    async def handler(stream: ServerStream) -> None:
        await stream.send_message(b"")

    async with serving({BOTH: handler}) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        assert (await raw.status(call))["grpc-status"] == "0"
        reset = await raw.wait_event(h2.events.StreamReset, call)
        assert reset.error_code == ErrorCodes.NO_ERROR


@pytest.mark.parametrize("last", [0, 1])
async def test_goaway_from_the_server(last: int) -> None:
    client, server = memory_pair()
    await server.send_all(SettingsFrame(0).serialize())
    async with connect(client, authority="x", codec=CODEC) as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            await server.send_all(GoAwayFrame(0, last_stream_id=last).serialize())
            await trio.testing.wait_all_tasks_blocked()
            assert not channel.is_open
            if last == 0:
                # It never saw the call.
                with pytest.raises(ConnectionLost, match="did not take"):
                    await stream.recv_message()
            else:
                await stream.send_message(b"goes on")


async def test_eof_and_breakage_of_the_transport() -> None:
    async with serving({BOTH: sleep}) as pair:
        for end in (MemoryStream.aclose, MemoryStream.send_eof):
            raw = await pair.raw()
            await raw.request(request_headers(path=BOTH.path), end=False)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().connections_open == 1
            await end(raw.stream)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().connections_open == 0
        assert not pair.server.statistics().errors


# -- accepting ---------------------------------------------------------------------------


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
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
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
    assert [record.getMessage() for record in caplog.records] == [
        "accept failed, trying again every 0.1 s"
    ]


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


async def test_statistics_count() -> None:
    async with serving({}) as pair, pair.channel() as channel:
        before = pair.server.statistics()
        assert (before.streams_total, before.messages_sent) == (0, 0)
        for _ in range(3):
            await call_unary(channel, b"x")
        after = pair.server.statistics()
        assert (after.connections_open, after.connections_total) == (1, 1)
        assert (after.streams_open, after.streams_total) == (0, 3)
        assert (after.messages_received, after.messages_sent) == (3, 3)
        assert after.bytes_sent > before.bytes_sent
        assert after.errors == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_streams": 0},
        {"send_timeout_s": -1.0},
        {"stream_window_bytes": 2**31},
        {"connection_window_bytes": 65534},
        {"max_message_bytes": 2**32},
    ],
)
def test_limits_that_could_not_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        LinkLimits(**wrong)  # type: ignore[arg-type]

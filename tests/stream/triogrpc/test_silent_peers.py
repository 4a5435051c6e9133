"""Peers that say nothing, and peers that do not read."""

import h2.events
import pytest
import trio
import trio.testing
from hyperframe.frame import PingFrame
from trio.testing import MockClock

from derproto.triogrpc import ConnectionLost, LinkLimits, ServerStream
from tests.stream.triogrpc.support import BOTH, Hanging, request_headers, serving


@pytest.mark.parametrize("who", ["server", "client"])
async def test_a_silent_peer_is_asked_and_closed(who: str, autojump_clock: MockClock) -> None:
    asks = LinkLimits(keepalive_time_s=30, keepalive_timeout_s=5)
    trusts = LinkLimits(keepalive_time_s=1e6)
    server_limits, client_limits = (asks, trusts) if who == "server" else (trusts, asks)
    handler = Hanging()
    async with serving({BOTH: handler}, server_limits) as pair:
        async with pair.channel(client_limits) as channel:
            async with channel.request(BOTH) as stream:
                await stream.send_request()
                await trio.sleep(300)
                assert channel.is_open
                pair.network.stall("server", True)
                stalled_at = trio.current_time()
                if who == "server":
                    await handler.cancelled.wait()
                    pair.network.cut("server")
                with pytest.raises(ConnectionLost):
                    await stream.recv_message()
                assert 5 <= trio.current_time() - stalled_at <= 36
                if who == "client":
                    assert channel.closed_because == "no answer to a PING"
                    pair.network.cut("server")
                else:
                    assert pair.server.statistics().errors == {"keepalive": 1}


async def test_a_peer_that_is_heard_is_not_asked(autojump_clock: MockClock) -> None:
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
async def test_a_peer_that_does_not_read_is_closed(streams: int, autojump_clock: MockClock) -> None:
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
        raw.open_windows()
        for _ in range(1 + streams):
            await raw.request(request_headers(path=BOTH.path), end=False)
        await cancelled.wait()
        assert trio.current_time() == pytest.approx(20)
        assert pair.server.statistics().errors == {"send_timeout": 1}
        # What was held for it: the write buffer, and what is on its way in the network.
        assert pair.server.statistics().bytes_sent < 300_000
        await pair.check_serves()


async def test_senders_wait_at_the_write_buffers_bound(autojump_clock: MockClock) -> None:
    sent = 0

    async def handler(stream: ServerStream) -> None:
        nonlocal sent
        while True:
            await stream.send_message(bytes(995))
            sent += 1

    limits = LinkLimits(write_buffer_bytes=100_000)
    async with serving({BOTH: handler}, limits) as pair:
        raw = await pair.raw()
        raw.open_windows()
        await raw.request(request_headers(path=BOTH.path), end=False)
        await trio.testing.wait_all_tasks_blocked()
        # 100 kB in the buffer, of which those being sent may lie in the network already.
        assert 95 <= sent <= 180


async def test_a_slow_reader_is_served_within_the_bound(autojump_clock: MockClock) -> None:
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
        raw.open_windows()
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        received = 0
        while received < 5_000_000:
            await trio.testing.wait_all_tasks_blocked()
            # The buffer, the network, and what our end has read and not counted yet.
            assert sent - received < 100_000 + 3 * 65_536
            data = await raw.wait_event(h2.events.DataReceived, call)
            received += len(data.data)
        assert (await raw.status(call))["grpc-status"] == "0"


async def test_an_answer_that_a_late_loop_has_not_read_yet_counts(mock_clock: MockClock) -> None:
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


def a_ping() -> bytes:
    return PingFrame(0, opaque_data=b"12345678").serialize()

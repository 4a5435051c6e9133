"""The bounds of a connection, and what is counted."""

from collections.abc import Callable

import h2.events
import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from hyperframe.frame import DataFrame, PingFrame, PriorityFrame, SettingsFrame
from trio.testing import MockClock

from derproto.triogrpc import ConnectionLost, LinkLimits, ServerStream
from tests.stream.triogrpc.support import BOTH, call_unary, framed, hang, request_headers, serving


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
    async with serving({BOTH: hang}, LinkLimits(max_streams=1)) as pair:
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
    async with serving({BOTH: hang}, LinkLimits(max_streams=2)) as pair:
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
    async with serving({BOTH: hang}) as pair:
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


async def test_resets_in_good_time_do_not(autojump_clock: MockClock) -> None:
    async with serving({BOTH: hang}) as pair:
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
    async with serving({BOTH: hang}, LinkLimits(max_control_frames_per_30_s=100)) as pair:
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
    autojump_clock: MockClock,
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
    async with serving({BOTH: hang}, limits) as pair:
        raw = await pair.raw()
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        await raw.wait_event(h2.events.RemoteSettingsChanged)
        await trio.testing.wait_all_tasks_blocked()
        await raw.stream.send_all(DataFrame(call, data=bytes(1001)).serialize())
        goaway = await raw.wait_end()
        assert goaway is not None
        assert goaway.error_code == ErrorCodes.FLOW_CONTROL_ERROR


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

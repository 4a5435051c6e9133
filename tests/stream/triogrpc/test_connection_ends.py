"""How a connection ends: drain, cancellation, GOAWAY, end of the transport."""

import h2.events
import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from hyperframe.frame import GoAwayFrame, SettingsFrame
from trio.testing import MockClock

from derproto.triogrpc import ConnectionLost, GRPCError, Server, ServerStream, Status, connect
from derproto.triogrpc.testing import MemoryListener, MemoryNetwork, MemoryStream, memory_pair
from tests.stream.triogrpc.support import (
    BOTH,
    CODEC,
    ECHO,
    Hanging,
    RawClient,
    call_unary,
    framed,
    hang,
    request_headers,
    serving,
)


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
    async with serving({BOTH: hang}) as pair:
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


async def test_drains_grace_has_an_end(autojump_clock: MockClock) -> None:
    async with serving({BOTH: hang}) as pair, pair.channel() as channel:
        async with channel.request(BOTH) as stream:
            await stream.send_request()
            await trio.testing.wait_all_tasks_blocked()
            pair.nursery.start_soon(pair.server.drain, 25)
            with pytest.raises(GRPCError) as caught:
                await stream.recv_message()
            assert caught.value.status is Status.UNAVAILABLE
            assert trio.current_time() == pytest.approx(25)


async def test_drains_end_does_not_wait_for_a_client_that_does_not_read(
    autojump_clock: MockClock,
) -> None:
    async def handler(stream: ServerStream) -> None:
        while True:
            await stream.send_message(bytes(50_000))

    async with serving({BOTH: handler}) as pair:
        raw = await pair.raw()
        raw.open_windows()
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
    autojump_clock: MockClock,
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
    handler = Hanging()
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
    assert handler.ended == 6
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
    async with serving({BOTH: hang}) as pair:
        for end in (MemoryStream.aclose, MemoryStream.send_eof):
            raw = await pair.raw()
            await raw.request(request_headers(path=BOTH.path), end=False)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().connections_open == 1
            assert isinstance(raw.stream, MemoryStream)
            await end(raw.stream)
            await trio.testing.wait_all_tasks_blocked()
            assert pair.server.statistics().connections_open == 0
        assert not pair.server.statistics().errors

"""Floods of a peer that has come through TLS: they end its connection, and nothing else."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes
from hyperframe.frame import ContinuationFrame, HeadersFrame, PingFrame, SettingsFrame
from trio.testing import MockClock

from derproto.triogrpc import LinkLimits, NewcomerLimits
from derproto.triogrpc.testing import MemoryNetwork
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.over_tls import check_serves, over_tls, serving_tls
from tests.stream.triogrpc.support import BOTH, RawClient, request_headers

PING = PingFrame(0, opaque_data=b"12345678").serialize()


async def reset_rapidly(raw: RawClient) -> None:
    while True:
        call = await raw.request(request_headers(path=BOTH.path), end=False)
        raw.h2.reset_stream(call, ErrorCodes.CANCEL)
        await raw.flush()


async def ping(raw: RawClient) -> None:
    await raw.flush()
    while True:
        await raw.stream.send_all(PING * 100)


async def change_settings(raw: RawClient) -> None:
    await raw.flush()
    while True:
        await raw.stream.send_all(SettingsFrame(0, settings={5: 20_000}).serialize() * 100)


async def continue_headers(raw: RawClient) -> None:
    await raw.flush()
    await raw.stream.send_all(HeadersFrame(1, data=b"\x00\x01a\x01b").serialize())
    while True:
        await raw.stream.send_all(ContinuationFrame(1, data=b"\x00\x01a\x01b").serialize() * 100)


async def swell_headers(raw: RawClient) -> None:
    """Each of the fields is a byte on the wire and 4 kB in memory."""
    await raw.flush()
    fields = [*request_headers(path=BOTH.path), *[("x", "y" * 4_000)] * 1_000]
    number = 1
    while True:
        raw.h2.send_headers(number, fields)
        await raw.flush()
        number += 2


FLOODS = [reset_rapidly, ping, change_settings, continue_headers, swell_headers]


@asynccontextmanager
async def a_raw_client(
    network: MemoryNetwork, certificates: Certificates
) -> AsyncIterator[RawClient]:
    certificates.client_context.set_alpn_protocols(["h2"])
    tls = over_tls(await network.connect("server"), certificates.client_context)
    await tls.do_handshake()
    yield RawClient(tls)
    await trio.aclose_forcefully(tls)


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_ends_its_connection_and_is_counted(
    flood: Callable[[RawClient], Awaitable[None]],
    certificates: Certificates,
    autojump_clock: MockClock,
) -> None:
    async with serving_tls(certificates) as (network, server):
        async with a_raw_client(network, certificates) as raw:
            with trio.fail_after(60), pytest.raises(trio.BrokenResourceError):
                await flood(raw)
            assert server.statistics().bytes_received < 1_000_000
            await check_serves(network, certificates)
        await trio.testing.wait_all_tasks_blocked()
        errors = server.statistics().errors
        assert sum(errors[kind] for kind in ("flood", "protocol") if kind in errors) == 1
        assert server.statistics().connections_open == 0


async def test_a_peer_that_makes_us_answer_and_does_not_read_is_closed(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    limits = LinkLimits(max_control_frames_per_30_s=10**9, write_buffer_bytes=10_000)
    async with serving_tls(certificates, limits) as (network, server):
        async with a_raw_client(network, certificates) as raw:
            with pytest.raises(trio.BrokenResourceError):
                await ping(raw)
            assert server.statistics().bytes_received < 400_000
            await check_serves(network, certificates)
        assert server.statistics().errors == {"flood": 1}


async def test_peers_whose_headers_never_end_make_room_for_others_and_are_counted(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    limits = LinkLimits(max_connections=3, newcomers=NewcomerLimits())
    async with serving_tls(certificates, limits) as (network, server):
        async with trio.open_nursery() as nursery, AsyncExitStack() as peers:

            async def drip(raw: RawClient) -> None:
                with suppress(trio.BrokenResourceError):
                    while True:
                        await trio.sleep(1)
                        await raw.stream.send_all(b"\x82")

            for _ in range(6):
                raw = await peers.enter_async_context(a_raw_client(network, certificates))
                await raw.flush()
                await raw.stream.send_all(HeadersFrame(1, data=b"\x82" * 1_000).serialize()[:20])
                nursery.start_soon(drip, raw)
            await trio.sleep(60)
            assert server.statistics().connections_open == 3
            with trio.fail_after(10):
                await check_serves(network, certificates)
            nursery.cancel_scope.cancel()
        assert server.statistics().errors == {"yielded": 4}


async def test_many_floods_at_once_do_not_keep_others_out(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_tls(certificates) as (network, _), trio.open_nursery() as nursery:

        async def attack() -> None:
            async with a_raw_client(network, certificates) as raw:
                try:
                    await reset_rapidly(raw)
                except trio.BrokenResourceError:
                    return

        for _ in range(30):
            nursery.start_soon(attack)
        await check_serves(network, certificates)
        nursery.cancel_scope.cancel()


async def test_a_peer_that_drips_its_handshake_makes_room_for_others(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    limits = LinkLimits(max_handshakes=2)
    async with serving_tls(certificates, limits) as (network, server):
        for _ in range(6):
            # The beginning of a ClientHello.
            stream = await network.connect("server")
            await stream.send_all(b"\x16\x03\x01\x02\x00\x01")
        with trio.fail_after(10):
            await check_serves(network, certificates)
    assert server.statistics().errors["handshake"] >= 4

"""REST over TLS: both protocols by ALPN, ends that can be trusted, and clients that fail."""

import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from h2.events import ResponseReceived, StreamEnded
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.httpserver import HttpLimits
from derproto.triogrpc.testing import MemoryStream
from tests.stream.http.http2_client import Http2Client
from tests.stream.http.stalls import MAX_STALL_S, longest_turn
from tests.stream.http.support import (
    HEALTH,
    Serving,
    ask,
    receive_all,
    serving_over_tls,
)
from tests.support.certificates import Certificates

LIMITS = HttpLimits()
LINGER_S = 1.0
ORDER = b"POST /dispatch HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"

Secure = trio.SSLStream[MemoryStream]


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        (("h2", "http/1.1"), "h2"),
        (("http/1.1", "h2"), "h2"),
        (("http/1.1",), "http/1.1"),
        (("spdy/3",), None),
        ((), None),
    ],
)
async def test_the_client_chooses_the_protocol_by_alpn(
    offers: tuple[str, ...], chosen: str | None, certificates: Certificates
) -> None:
    async with serving_over_tls(certificates, alpn=offers) as running:
        stream = await running.connect()
        assert stream.selected_alpn_protocol() == chosen
        if chosen != "h2":
            assert (await ask(stream, HEALTH)).startswith(b"HTTP/1.1 200 ")
            return
        client = Http2Client(stream)
        await client.get("/healthz")
        events = await client.read()
        while not any(isinstance(each, StreamEnded) for each in events):
            events += await client.read()
        (answer,) = (each for each in events if isinstance(each, ResponseReceived))
        assert (b":status", b"200") in answer.headers
        await stream.aclose()


async def test_an_answer_ends_with_a_signed_end(certificates: Certificates) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        bare = await running.network.connect("http")
        # Unlike https_compatible, this stream breaks at an end that nobody signed.
        stream = trio.SSLStream(bare, certificates.client(), server_hostname="localhost")
        await stream.send_all(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert (await receive_to_the_end(stream)).startswith(b"HTTP/1.1 200 ")


async def test_the_end_is_signed_also_if_the_client_sends_on(certificates: Certificates) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        bare = await running.network.connect("http")
        stream = trio.SSLStream(bare, certificates.client(), server_hostname="localhost")
        # 413: the rest of the body is not read.
        await stream.send_all(ORDER + b"content-length: 900000\r\n\r\n" + bytes(40_000))
        await stream.send_all(bytes(20_000))
        assert (await receive_to_the_end(stream)).startswith(b"HTTP/1.1 413 ")


async def receive_to_the_end(stream: Secure) -> bytes:
    """All until the other side's signed end. Raises: trio.BrokenResourceError at any other."""
    data = b""
    while piece := await stream.receive_some():
        data += piece
    return data


async def test_an_answer_that_is_cut_off_has_no_signed_end(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    limits = HttpLimits(response_s=2)
    async with serving_over_tls(certificates, limits, alpn=()) as running:
        bare = await running.network.connect("http")
        stream = trio.SSLStream(bare, certificates.client(), server_hostname="localhost")
        await stream.send_all(b"GET /slow HTTP/1.0\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        running.server._open.copy().pop().cut_off()
        with pytest.raises(trio.BrokenResourceError):
            await receive_to_the_end(stream)


async def test_a_client_without_tls_is_told_so(certificates: Certificates) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        stream = await running.network.connect("http")
        answer = await ask(stream, HEALTH)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"application/problem+json" in answer
        assert b"write https:// in place of http://" in answer
        assert await receive_all(stream) == b""
        await stream.aclose()
        await wait_all_tasks_blocked()
        statistics = running.server.statistics()
        assert (statistics.handshakes_failed, statistics.open) == (1, 0)
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("says", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x00\x05hello", b"SSH-2.0-x"])
async def test_a_client_that_does_not_finish_the_handshake_is_closed(
    says: bytes, certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        stream = await running.network.connect("http")
        await stream.send_all(says)
        await receive_all(stream)
        assert trio.current_time() <= LIMITS.idle_s
        await trio.sleep(LINGER_S + 0.1)
        statistics = running.server.statistics()
        assert (statistics.open, statistics.handshakes_failed) == (0, 1)
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_distrusts_the_headend_is_logged_and_harms_nobody(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with serving_over_tls(certificates, alpn=()) as running:
        stream = trio.SSLStream(
            await running.network.connect("http"),
            ssl.create_default_context(),
            server_hostname="localhost",
        )
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
        await trio.aclose_forcefully(stream)
        await wait_all_tasks_blocked()
        assert running.server.statistics().handshakes_failed == 1
        assert running.server.statistics().failed == 0
        assert (await ask(await running.connect(), HEALTH)).startswith(b"HTTP/1.1 200 ")
    assert any("TLS handshake" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
async def test_old_versions_of_tls_are_refused(version: str, certificates: Certificates) -> None:
    context = certificates.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    async with serving_over_tls(certificates) as running:
        bare = await running.network.connect("http")
        stream = trio.SSLStream(bare, context, server_hostname="localhost")
        with pytest.raises(trio.BrokenResourceError) as broken:
            await stream.do_handshake()
        assert "PROTOCOL_VERSION" in str(broken.value.__cause__)
        await trio.aclose_forcefully(stream)


def a_hello(context: ssl.SSLContext) -> bytes:
    """A client's first bytes."""
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


async def test_a_thousand_handshakes_at_once_take_turns(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    limits = HttpLimits(max_connections=2_000)
    async with serving_over_tls(certificates, limits, alpn=()) as running:
        clients = [await running.network.connect("http") for _ in range(1_000)]
        hello = a_hello(certificates.client())
        await wait_all_tasks_blocked()
        with longest_turn() as measured:
            async with trio.open_nursery() as nursery:
                for client in clients:
                    nursery.start_soon(client.send_all, hello)
            answers = [await client.receive_some(1) for client in clients]
        assert answers == [b"\x16"] * 1_000
        assert measured.longest_s < MAX_STALL_S


@asynccontextmanager
async def dripping(stream: Secure, drip: bytes) -> AsyncIterator[None]:
    """Sends the bytes every second while the block runs."""

    async def drip_on() -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            while True:
                await stream.send_all(drip)
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drip_on)
        yield
        nursery.cancel_scope.cancel()


async def seconds_until_closed(running: Serving[Secure], stream: Secure) -> float:
    began = trio.current_time()
    await receive_all(stream)
    return trio.current_time() - began


async def test_a_header_that_drips_is_cut_off(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        stream = await running.connect()
        await stream.send_all(b"GET /healthz HTTP/1.1\r\n")
        async with dripping(stream, b"x-a: b\r\n"):
            assert await seconds_until_closed(running, stream) <= LIMITS.idle_s
        assert running.server.statistics().slow_heads == 1


async def test_a_body_that_drips_is_408(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        stream = await running.connect()
        await stream.send_all(ORDER + b"content-length: 1000\r\n\r\n")
        async with dripping(stream, b" "):
            answer = await receive_all(stream)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert running.server.statistics().slow_bodies == 1


async def test_a_reader_that_stalls_is_cut_off(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_over_tls(certificates, alpn=()) as running:
        stalled = await running.connect()
        await stalled.send_all(b"GET /firehose HTTP/1.1\r\nhost: x\r\n\r\n")
        await trio.sleep(LIMITS.send_s + LINGER_S + 1)
        statistics = running.server.statistics()
        assert (statistics.open, statistics.send_timeouts) == (0, 1)

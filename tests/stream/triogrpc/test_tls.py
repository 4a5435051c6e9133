"""TLS between our two ends, in memory, and handshakes that fail."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from derproto.triogrpc import LinkLimits, Server, ServerStream, connect
from derproto.triogrpc.testing import MemoryNetwork, MemoryStream
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.support import CODEC, ECHO, UNARY, call_unary


async def whoami(stream: ServerStream) -> None:
    await stream.recv_message()
    certificate = stream.peer_certificate
    assert certificate is not None
    await stream.send_message(f"{stream.peer} {certificate['subjectAltName']}".encode())


@asynccontextmanager
async def serving_tls(
    certificates: Certificates, limits: LinkLimits | None = None
) -> AsyncIterator[tuple[MemoryNetwork, Server]]:
    network = MemoryNetwork()
    server = Server({**ECHO, UNARY: whoami}, codec=CODEC, limits=limits)
    listener = trio.SSLListener(
        network.listen("server"), certificates.server_context, https_compatible=True
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(server.serve, [listener])
        yield network, server
        await server.drain(0)


def over_tls(stream: MemoryStream, context: ssl.SSLContext) -> trio.SSLStream[MemoryStream]:
    return trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)


async def check_serves(network: MemoryNetwork, certificates: Certificates) -> None:
    certificates.client_context.set_alpn_protocols(["h2"])
    tls = over_tls(await network.connect("server"), certificates.client_context)
    async with connect(tls, authority="localhost", scheme="https", codec=CODEC) as channel:
        reply = await call_unary(channel, b"")
    assert reply.endswith(b" (('email', 'agent@example.org'),)")
    assert reply.startswith(b"memory:")


async def test_both_ends(certificates: Certificates) -> None:
    async with serving_tls(certificates) as (network, server):
        await check_serves(network, certificates)
    assert not server.statistics().errors


async def test_a_client_without_http2_is_closed(certificates: Certificates) -> None:
    context = ssl.create_default_context()
    certificates.ca.configure_trust(context)
    certificates.client.configure_cert(context)
    async with serving_tls(certificates) as (network, server):
        tls = over_tls(await network.connect("server"), context)
        await tls.do_handshake()
        assert await tls.receive_some() == b""
        assert server.statistics().errors == {"tls": 1}
        await check_serves(network, certificates)


@pytest.mark.parametrize(
    "says", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x00\x05hello"]
)
async def test_a_client_without_tls_is_closed(says: bytes, certificates: Certificates) -> None:
    async with serving_tls(certificates) as (network, server):
        stream = await network.connect("server")
        await stream.send_all(says)
        while await stream.receive_some():
            pass
        assert server.statistics().errors == {"tls": 1}
        await check_serves(network, certificates)


@pytest.mark.parametrize("speaks", [False, True])
async def test_a_client_that_does_not_finish_the_handshake_is_closed(
    speaks: bool, certificates: Certificates, autojump_clock: MockClock
) -> None:
    certificates.client_context.set_alpn_protocols(["h2"])
    async with serving_tls(certificates, LinkLimits(handshake_timeout_s=4)) as (network, server):
        stream = await network.connect("server")
        if speaks:
            # TLS, and then nothing.
            await over_tls(stream, certificates.client_context).do_handshake()
        while await stream.receive_some():
            pass
        assert trio.current_time() == pytest.approx(4)
        assert server.statistics().errors == {"handshake": 1}
        await check_serves(network, certificates)


async def test_a_drain_ends_unfinished_handshakes(
    certificates: Certificates, autojump_clock: MockClock
) -> None:
    async with serving_tls(certificates) as (network, server):
        await network.connect("server")
        await trio.testing.wait_all_tasks_blocked()
        await server.drain(100)
        assert trio.current_time() == pytest.approx(0)

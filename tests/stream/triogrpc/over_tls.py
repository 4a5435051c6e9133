"""A server under TLS in memory, and clients of it."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

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

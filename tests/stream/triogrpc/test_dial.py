"""Dialling servers that are away, not trusted, of another protocol, or silent."""

import ssl
from functools import partial
from typing import Any

import pytest
import trio

from derproto.triogrpc import (
    dial,
)
from tests.stream.triogrpc.conftest import Certificates
from tests.stream.triogrpc.grpcio_server import calling
from tests.stream.triogrpc.interop import EchoSchema


async def test_dial_where_nobody_listens() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    with pytest.raises(OSError, match="connect"):
        await dial("127.0.0.1", port)


async def test_dial_a_server_that_is_not_trusted(
    echo: EchoSchema, certificates: Certificates
) -> None:
    async with calling(echo, certificates=certificates) as grpcio:
        with pytest.raises(ConnectionError, match="certificate verify failed: "):
            await dial("localhost", grpcio.port, ssl_context=ssl.create_default_context())
        with pytest.raises(ConnectionError, match="certificate verify failed: "):
            await dial(
                "localhost",
                grpcio.port,
                ssl_context=certificates.client_context,
                server_hostname="elsewhere",
            )


async def test_dial_a_server_without_http2(certificates: Certificates) -> None:
    async def handshake(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            await stream.do_handshake()
            await stream.receive_some()
        except trio.BrokenResourceError:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.server.configure_cert(context)
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_ssl_over_tcp, handshake, 0, context, host="127.0.0.1")
        listeners: Any = await nursery.start(serve)
        port = listeners[0].transport_listener.socket.getsockname()[1]
        with pytest.raises(ConnectionError, match="ALPN"):
            await dial("localhost", port, ssl_context=certificates.client_context)
        nursery.cancel_scope.cancel()


async def test_dial_a_server_that_does_not_answer() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    with pytest.raises(TimeoutError):
        await dial("127.0.0.1", port, ssl_context=ssl.create_default_context(), timeout_s=0.05)
    await listeners[0].aclose()

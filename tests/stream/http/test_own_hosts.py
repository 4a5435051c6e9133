"""The host that a request names, from the socket to the answer, over both protocols and lanes."""

from functools import partial

import pytest
import trio
from h2.events import ResponseReceived

from derhead.api import TrustedHosts
from tests.stream.http.http2_client import Http2Client
from tests.stream.http.support import ask, make_app, serve_on, serving_either
from tests.support.certificates import Certificates


async def answered(stream: trio.abc.Stream, host: str, path: str) -> int:
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    return int((await ask(stream, request.encode())).split()[1])


async def test_a_headend_on_all_addresses_answers_by_the_one_that_the_client_took() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="0.0.0.0")
    port = listener.socket.getsockname()[1]
    connect = partial(trio.open_tcp_stream, "127.0.0.2", port)
    app = make_app(trusted=TrustedHosts())
    async with serve_on(None, app, listener, connect) as running, await running.connect() as stream:
        # The fast lane answers the first path, the app the second.
        for path in ("/telemetry", "/healthz"):
            assert await answered(stream, f"127.0.0.2:{port}", path) == 200
            assert await answered(stream, f"127.0.0.3:{port}", path) == 403


@pytest.mark.parametrize(("authority", "status"), [(b"x", b"200"), (b"evil.example:8080", b"403")])
async def test_the_authority_of_http_2_is_a_host_like_any(
    authority: bytes, status: bytes, secure: Certificates | None
) -> None:
    async with serving_either(secure) as running:
        client = Http2Client(await running.connect())
        await client.get("/telemetry", authority.decode())
        while True:
            answers = [each for each in await client.read() if isinstance(each, ResponseReceived)]
            if answers:
                break
        assert (b":status", status) in answers[0].headers

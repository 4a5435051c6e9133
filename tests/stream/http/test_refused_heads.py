"""A request whose header could mislead a proxy or the app is refused with a problem."""

import json

import pytest
from trio.testing import MockClock

from tests.stream.http.support import receive_all, serving_in_memory
from tests.support.api.description import hold


@pytest.mark.parametrize(
    "host",
    [
        *(b"a" * 64, b"a..b", b"." * 3, b"xn--" + b"a" * 70),
        *(b"a b", b"c@d", b"a b/c@d", b"a/b", b"a?b", b"a:b", b"a:123456", b"[::1", b"::1", b"a,b"),
        *(b"[::::]", b"[1]", b"[.]:8080"),
    ],
)
async def test_an_invalid_host_is_400(
    host: bytes, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
        await stream.send_eof()
        head, _, body = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["detail"].startswith("the Host header is not a host name")
    hold("GET", "/healthz", 400, "application/problem+json", body.decode())
    assert caplog.records == []


@pytest.mark.parametrize(
    "target",
    [
        *(b"?", b"?a=1", b"a", b"healthz", b"a/../healthz", b"@x", b"#", b"%2fhealthz", b"**"),
        *(b"http:", b"http:/x", b"http://", b"http:///x", b"http://[/x", b"http://[::::]/x"),
        *(b"ftp://x/", b"http://a@x/", b"http://x%5b/", b"http://a..b/x"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"OPTIONS"])
async def test_a_target_that_is_neither_path_nor_url_is_400(
    method: bytes, target: bytes, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(method + b" " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["detail"].startswith("the request target is neither a path nor a URL")
    assert caplog.records == []


@pytest.mark.parametrize(
    "target", [b"http://x/healthz", b"HTTPS://x:8080/healthz?", b"http://[::1]:80/healthz"]
)
async def test_a_url_is_answered_as_its_path_is(target: bytes, autojump_clock: MockClock) -> None:
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await stream.send_eof()
        answer = await receive_all(stream)
    assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("length", [b"content-length: 3\r\n", b"content-length: 0\r\n"])
async def test_a_length_beside_chunks_is_400_and_the_connection_ends(
    length: bytes, autojump_clock: MockClock
) -> None:
    chunked = b"POST /dispatch HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n"
    smuggled = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
    async with serving_in_memory() as running:
        stream = await running.connect()
        await stream.send_all(chunked + length + b"\r\n0\r\n\r\n" + smuggled)
        head, _, body = (await receive_all(stream)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    assert json.loads(body)["detail"].startswith(
        "the header has Content-Length and Transfer-Encoding"
    )

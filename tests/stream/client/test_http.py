"""The commands' HTTP against the real server on loopback, and against what is no headend."""

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from derhead.api import create_app
from derhead.client import following, http
from derhead.client.address import parse_address
from derhead.client.following import Following
from derhead.client.http import HttpClient, Refused, Unreachable
from derhead.events import DispatchEvent
from derhead.httpserver import serve_http
from tests.support.api.fake_headend import DISPATCHED, NOW, FakeView

Listener = trio.abc.Listener[trio.abc.Stream]


@asynccontextmanager
async def headend(
    view: FakeView, port: int = 0, wrap: Callable[[trio.SocketListener], Listener] = lambda it: it
) -> AsyncIterator[int]:
    """A server of REST and events for the block; its port."""
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    app = create_app(view)
    stopping = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(app.events.run, stopping=stopping))
        await nursery.start(partial(serve_http, app, [wrap(listener)], stopping=stopping))
        yield listener.socket.getsockname()[1]
        stopping.set()


@asynccontextmanager
async def stranger(answer: bytes) -> AsyncIterator[int]:
    """Answers whatever is asked with the same bytes; without any, it only listens."""

    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some(65536)
        if not answer:
            await trio.sleep_forever()
        await stream.send_all(answer)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def client_of(port: int, scheme: str = "http") -> HttpClient:
    return HttpClient(parse_address(f"{scheme}://127.0.0.1:{port}"))


async def test_it_asks_and_is_answered() -> None:
    async with headend(FakeView()) as port:
        found = await client_of(port).get("telemetry", "battery-1")
        assert found["p_mw"] == -0.25


async def test_what_is_refused_is_told_in_words() -> None:
    async with headend(FakeView()) as port:
        with pytest.raises(Refused, match=r"no asset has the id or name 'süd .'"):
            await client_of(port).get("telemetry", "süd ?")
        order = {"asset_id": "battery-1", "mw": 99}
        answer = await client_of(port).ask("POST", ("dispatch",), body=order)
        with pytest.raises(Refused, match=r"nothing was dispatched\n  /mw: 99 is beyond"):
            http.take(answer)
        with pytest.raises(Refused, match="there is no kind 'x'"):
            async with client_of(port).listen({"kind": "x"}, None):
                pass


async def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    wrap = partial(trio.SSLListener, ssl_context=context, https_compatible=True)
    async with headend(FakeView(), wrap=wrap) as port:
        with pytest.raises(Unreachable, match="certificate verify failed"):
            await client_of(port, "https").get("assets")
        trusted = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(trusted))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        assert len((await client_of(port, "https").get("assets"))["items"]) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "answers no JSON"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be asked"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{}", "cannot be asked"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n{}", "cannot answer now"),
        (b"", "did not answer within"),
    ],
    ids=["a page", "no HTTP", "cut short", "a proxy alone", "silence"],
)
async def test_what_is_no_headend_is_unreachable(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 0.3 if not answer else 20.0)
    async with stranger(answer) as port:
        with pytest.raises(Unreachable, match=words):
            await client_of(port).get("assets")


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1000)
    async with stranger(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(5000)) as port:
        with pytest.raises(Unreachable, match="without end"):
            await client_of(port).get("assets")


async def test_events_are_followed_over_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_S", 0.02)
    view, told = FakeView(), list[str]()
    view.history.happen(DispatchEvent(10, NOW, DISPATCHED))
    stack = trio.Event()
    async with trio.open_nursery() as nursery:

        async def serve_twice(task_status: trio.TaskStatus[int]) -> None:
            async with headend(view) as port:
                task_status.started(port)
                await stack.wait()
            view.history.happen(DispatchEvent(11, NOW, DISPATCHED))
            async with headend(view, port):
                await trio.sleep_forever()

        port: int = await nursery.start(serve_twice)
        async with Following(client_of(port), {"kind": "dispatch"}, told.append) as events:
            assert (await events.next()).kind == "hello"
            stack.set()
            hello = await events.next()
            assert json.loads(hello.data)["resumed"] is True
            assert (await events.next()).kind == "dispatch"
        assert [line.endswith("trying again") for line in told] == [True]
        nursery.cancel_scope.cancel()

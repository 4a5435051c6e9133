"""The client of the commands, against the real server on loopback and against strangers."""

import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from derhead.access import AccessGate
from derhead.api import create_app
from derhead.client.rest import following, headend_client
from derhead.client.rest.following import Following
from derhead.client.rest.headend_client import HeadendClient, HeadendUnreachable, RequestRefused
from derhead.client.rest.headend_url import parse_headend_url
from derhead.events import DispatchEvent
from derhead.httpserver import serve_http
from tests.support.access import STRANGE, VIEWER, make_gate
from tests.support.api.fake_headend import DISPATCHED, NOW, FakeView

Listener = trio.abc.Listener[trio.abc.Stream]


@asynccontextmanager
async def headend(
    view: FakeView,
    port: int = 0,
    wrap: Callable[[trio.SocketListener], Listener] = lambda it: it,
    gate: AccessGate | None = None,
) -> AsyncIterator[int]:
    """A server of REST and events for the block; its port."""
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    app = create_app(view, gate)
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


def client_of(port: int, scheme: str = "http", token: str | None = None) -> HeadendClient:
    return HeadendClient(parse_headend_url(f"{scheme}://127.0.0.1:{port}"), token=token)


pytestmark = pytest.mark.filterwarnings(
    # httpx2 leaves the generators of an answer that was not read to its end to Trio.
    "ignore:Async generator 'http(x|core)2:ResourceWarning"
)


async def test_the_client_asks_and_is_answered() -> None:
    async with headend(FakeView()) as port, client_of(port) as client:
        found = await client.get("telemetry", "battery-1")
        assert found["p_mw"] == -0.25


async def test_a_refusal_is_told_in_words() -> None:
    async with headend(FakeView()) as port, client_of(port) as client:
        with pytest.raises(RequestRefused, match=r"no asset has the id or name 'süd .'"):
            await client.get("telemetry", "süd ?")
        order = {"asset_id": "battery-1", "mw": 99}
        answer = await client.ask("POST", ("dispatch",), body=order)
        with pytest.raises(RequestRefused, match=r"nothing was dispatched\n  /mw: 99 is beyond"):
            answer.accepted()
        with pytest.raises(RequestRefused, match="there is no kind 'x'"):
            async with client.events({"kind": "x"}, None):
                pass


async def test_a_token_goes_with_each_request() -> None:
    async with headend(FakeView(), gate=make_gate(NOW)) as port:
        async with client_of(port, token=VIEWER) as client:
            assert len((await client.get("assets"))["items"]) == 3
            async with client.events({}, None) as stream:
                assert (await stream.next()).event == "hello"
            withdrawn = await client.ask("DELETE", ("dispatch", DISPATCHED.id))
            with pytest.raises(RequestRefused, match="viewer is viewer, and this takes operator"):
                withdrawn.accepted()


@pytest.mark.parametrize(
    ("token", "why"), [(None, "this headend needs a token"), (STRANGE, "not known")]
)
async def test_without_a_good_token_the_refusal_names_the_flag(token: str | None, why: str) -> None:
    async with headend(FakeView(), gate=make_gate(NOW)) as port:
        async with client_of(port, token=token) as client:
            with pytest.raises(RequestRefused, match=why) as refused:
                await client.get("assets")
            assert "--token-file" in str(refused.value)
            with pytest.raises(RequestRefused, match=why):
                async with client.events({}, None):
                    pass


async def test_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    wrap = partial(trio.SSLListener, ssl_context=context, https_compatible=True)
    async with headend(FakeView(), wrap=wrap) as port:
        async with client_of(port, "https") as client:
            with pytest.raises(HeadendUnreachable, match=r"verify failed.*--tls-ca"):
                await client.get("assets")
        trusted = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(str(trusted))
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        async with client_of(port, "https") as client:
            assert len((await client.get("assets"))["items"]) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>", "its answer is not JSON"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "cannot be reached"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{}", "cannot be reached"),
        (b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 2\r\n\r\n{}", "cannot answer now"),
        (b"", "did not answer within"),
    ],
    ids=["a page", "no HTTP", "cut short", "a proxy alone", "silence"],
)
async def test_a_server_that_is_not_a_headend_is_unreachable(
    answer: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(headend_client, "ANSWER_S", 0.3 if not answer else 20.0)
    async with stranger(answer) as port, client_of(port) as client:
        with pytest.raises(HeadendUnreachable, match=words):
            await client.get("assets")


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headend_client, "MAX_ANSWER_BYTES", 1000)
    async with (
        stranger(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(5000)) as port,
        client_of(port) as client,
    ):
        with pytest.raises(HeadendUnreachable, match="without an end"):
            await client.get("assets")


async def test_a_refused_connection_is_told_in_one_line() -> None:
    async with client_of(1) as client:
        with pytest.raises(HeadendUnreachable, match=r"1 cannot be reached: .*Connection refused"):
            await client.get("assets")


ASK_NOBODY = """
import sys
import derhead.cli
code = derhead.cli.main(["status", "--headend", "http://127.0.0.1:1"])
# structlog imports asyncio; httpx would run on it through this module.
assert "anyio._backends._asyncio" not in sys.modules
sys.exit(code)
"""


def test_the_commands_start_no_second_event_loop() -> None:
    asked = subprocess.run([sys.executable, "-c", ASK_NOBODY], capture_output=True, check=False)
    assert (asked.returncode, asked.stdout) == (3, b""), asked.stderr


async def test_events_without_data_are_skipped() -> None:
    stream = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
        b"retry: 2000\n\nid: 7\nevent: hello\ndata: {}\n\n: alive\n\ndata: a\ndata: b\n\n"
        b"id: 9\n\nevent: cut"
    )
    async with stranger(stream) as port, client_of(port) as client:
        async with client.events({}, None) as events:
            assert [(await events.next()).data for _ in range(2)] == ["{}", "a\nb"]
            with pytest.raises(HeadendUnreachable, match="ended the stream"):
                await events.next()
            assert events.last_id == "9"


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
        async with (
            client_of(port) as client,
            Following(client, {"kind": "dispatch"}, told.append) as events,
        ):
            assert (await events.next()).event == "hello"
            stack.set()
            hello = await events.next()
            assert json.loads(hello.data)["resumed"] is True
            assert (await events.next()).event == "dispatch"
        assert [line.endswith("trying again") for line in told] == [True]
        nursery.cancel_scope.cancel()

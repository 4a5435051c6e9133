"""A daemon's own port for Prometheus."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from prometheus_client.metrics_core import Metric
from trio.testing import MockClock, wait_all_tasks_blocked

from derproto.metrics.exposition import Metrics
from derproto.metrics.families import gauge
from derproto.metrics.metrics_port import REQUEST_BYTES, REQUEST_S, SCRAPERS, serve_metrics
from derproto.triogrpc.testing import MemoryNetwork

GET = b"GET /metrics HTTP/1.1\r\nHost: localhost:9464\r\n\r\n"


@asynccontextmanager
async def served() -> AsyncIterator[MemoryNetwork]:
    network, metrics = MemoryNetwork(), Metrics()
    metrics.add(lambda: [gauge("deragent_things", "Of the test.", 3)])
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_metrics, metrics, [network.listen("agent")])
        yield network
        nursery.cancel_scope.cancel()


async def ask(network: MemoryNetwork, request: bytes) -> str:
    """The whole answer, to the end of its connection."""
    stream, answer = await network.connect("agent"), b""
    async with stream:
        await stream.send_all(request)
        while data := await stream.receive_some():
            answer += data
    return answer.decode()


@pytest.mark.parametrize("host", ["localhost:9464", "127.0.0.1", "[::1]:9464"])
async def test_a_scrape_is_answered(host: str) -> None:
    async with served() as network:
        answer = await ask(network, GET.replace(b"localhost:9464", host.encode()))
    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert "content-type: text/plain; version=0.0.4" in answer
    assert answer.endswith("\nderagent_things 3.0\n")


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        (GET.replace(b"/metrics", b"/"), 404, "this port has only /metrics"),
        (GET.replace(b"GET", b"POST"), 405, "only GET is possible here"),
        (GET.replace(b"localhost:9464", b"evil.example"), 403, "evil.example is no name of"),
        (b"NONSENSE\r\n\r\n", 400, "illegal request line"),
        (GET[:-2] + b"X:" + b" " * 1000 + b"\x00\r\n\r\n", 400, "illegal header line"),
        (GET[:-2] + b"X: " + b"y" * REQUEST_BYTES + b"\r\n\r\n", 431, "too long"),
    ],
)
async def test_anything_else_is_refused(request_: bytes, status: int, says: str) -> None:
    async with served() as network:
        answer = await ask(network, request_)
        assert answer.startswith(f"HTTP/1.1 {status} ")
        assert says in answer
        assert "deragent_things" not in answer
        # The next scrape notices nothing.
        assert "deragent_things 3.0" in await ask(network, GET)


async def test_silent_clients_keep_scrapes_out_for_a_moment_only(
    autojump_clock: MockClock,
) -> None:
    async with served() as network:
        silent = [await network.connect("agent") for _ in range(SCRAPERS)]
        await trio.testing.wait_all_tasks_blocked()
        began_s = trio.current_time()
        assert "deragent_things 3.0" in await ask(network, GET)
        assert trio.current_time() - began_s == pytest.approx(REQUEST_S)
        for stream in silent:
            assert await stream.receive_some() == b""


async def test_a_client_that_leaves_ends_nothing() -> None:
    async with served() as network:
        stream = await network.connect("agent")
        await stream.send_all(GET[:10])
        await stream.aclose()
        assert "deragent_things 3.0" in await ask(network, GET)


async def test_a_figure_that_cannot_be_read_ends_that_scrape_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    network, metrics = MemoryNetwork(), Metrics()
    broken = [True]

    def collect() -> list[Metric]:
        if broken:
            raise RuntimeError("a fault of our own")
        return [gauge("deragent_things", "Of the test.", 3)]

    metrics.add(collect)
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_metrics, metrics, [network.listen("agent")])
        assert await ask(network, GET) == ""
        # The stream closes before its task, which may run next or not, logs the fault.
        await wait_all_tasks_blocked()
        assert "a fault of our own" in caplog.text
        broken.clear()
        assert "deragent_things 3.0" in await ask(network, GET)
        nursery.cancel_scope.cancel()

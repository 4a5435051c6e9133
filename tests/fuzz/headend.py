"""A real headend under virtual time with one good agent, and what it must still do afterwards."""

import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
import trio
from trio.testing import MockClock

from derproto.triogrpc.testing import MemoryNetwork
from tests.support.assets import fleet_of, make_asset, numbered_id
from tests.support.virtual import VirtualWorld, virtual_world

SITE = "00000000-0000-4000-8000-0000000000a1"
GOOD, OTHER = numbered_id(1), numbered_id(2)
FLEET = fleet_of(
    make_asset(GOOD, site_id=SITE, name="good", energy_mwh=4.0, default_mw=0.0),
    make_asset(OTHER, site_id=SITE, name="other", energy_mwh=4.0, default_mw=0.0),
)


@asynccontextmanager
async def besieged(folder: Path) -> AsyncIterator[VirtualWorld]:
    """A headend with one good agent. After the block both work as before, and stop in order."""
    async with virtual_world(folder, FLEET) as world:
        await world.start_agent(GOOD)
        await trio.sleep(10)
        yield world
        await trio.sleep(10)
        await assert_unharmed(world)


def play(main: Callable[[Path], Awaitable[None]], caplog: pytest.LogCaptureFixture) -> None:
    """Runs ``main`` with a new folder in virtual time; nothing may be logged as an error."""
    caplog.clear()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(main, Path(folder), clock=MockClock(autojump_threshold=0))
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []
    assert "Traceback" not in caplog.text


async def assert_unharmed(world: VirtualWorld) -> None:
    """The good agent is seen and heard, and every history can be read."""
    ask = world.network
    latest = await get(ask, f"/telemetry/{GOOD}")
    assert latest["stale"] is False, latest
    assert latest["age_s"] <= 5, latest
    for path in (
        "/telemetry",
        "/agents",
        "/assets",
        "/slo",
        "/dispatch/history",
        "/agents/bad/sessions",
        f"/telemetry/{OTHER}/history",
        f"/telemetry/{OTHER}/gaps",
        f"/telemetry/{OTHER}/history?step=15m",
    ):
        await get(ask, path)


async def get(network: MemoryNetwork, path: str) -> Any:
    """The JSON of an answer that is no fault of the headend; NaN is no JSON."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    (answer,) = read_answers(await converse(network, request), [b"GET"])
    status, _, body = answer
    assert status in (200, 404), (path, status, body)
    return json.loads(body, parse_constant=_refuse)


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


async def converse(network: MemoryNetwork, data: bytes, patience_s: float = 30.0) -> bytes:
    """What the server sends after ``data``, until it closes or stays silent for a while."""
    received = b""
    stream = await network.connect("rest")
    async with stream:
        try:
            await stream.send_all(data)
            while True:
                with trio.move_on_after(patience_s) as scope:
                    piece = bytes(await stream.receive_some())
                if scope.cancelled_caught or not piece:
                    break
                received += piece
        except trio.BrokenResourceError:
            pass
    return received


def read_answers(data: bytes, methods: list[bytes]) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """The status, headers and body of each whole answer to requests of these methods."""
    answers: list[tuple[int, dict[bytes, bytes], bytes]] = []
    client = h11.Connection(h11.CLIENT)
    client.receive_data(data)
    for method in methods:
        client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        client.send(h11.EndOfMessage())
        head, body = None, b""
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return answers
            elif isinstance(event, h11.EndOfMessage):
                break
        assert head is not None
        answers.append((head.status_code, dict(head.headers), body))
        if h11.MUST_CLOSE in client.states.values():
            break
        client.start_next_cycle()
    return answers

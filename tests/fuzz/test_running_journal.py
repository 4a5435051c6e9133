"""A headend on a damaged journal: it refuses to start in words, or serves on without a bug."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from derhead.errors import JournalError
from derproto.stdio.command import leaves
from tests.fuzz.damage import Damage, Fouling, damages, foul, foulings, hurt
from tests.fuzz.headend import FLEET, GOOD, OTHER, converse, read_answers
from tests.fuzz.mutation import effort
from tests.support.virtual import VirtualWorld, virtual_world

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where commits need no disk."""
PATHS = (
    "/telemetry",
    "/agents",
    "/assets",
    "/slo",
    "/audit",
    "/dispatch/history",
    f"/agents/{GOOD}/sessions",
    f"/heartbeat/{GOOD}",
    f"/telemetry/{GOOD}/history",
    f"/telemetry/{GOOD}/gaps",
    f"/telemetry/{GOOD}/history?step=15m",
    "/readyz",
    "/metrics",
)
NO_FAULT = (200, 201, 202, 404, 409, 422, 503)


async def ask(world: VirtualWorld, method: str, path: str, body: Any = None) -> None:
    """Asks for something; the answer must be no fault of the headend."""
    data = b"" if body is None else json.dumps(body).encode()
    request = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    ).encode() + data
    ((status, _, said),) = read_answers(await converse(world.network, request), [method.encode()])
    assert status in NO_FAULT, (path, status, said)


async def use(world: VirtualWorld) -> None:
    """Orders, and reads every history."""
    for asset_id, mw in ((GOOD, 0.5), (OTHER, -0.5)):
        await ask(world, "POST", "/dispatch", {"asset_id": asset_id, "mw": mw, "duration_s": 20})
    for path in PATHS:
        await ask(world, "GET", path)


async def write_journal(folder: Path) -> None:
    async with virtual_world(folder, FLEET) as world:
        for seed in range(3):
            agent = await world.start_agent(GOOD, seed=seed)
            await trio.sleep(40)
            await use(world)
            await trio.sleep(40)
            await agent.stop()
            await trio.sleep(60)
        await world.start_agent(GOOD, seed=9)
        await trio.sleep(10)
        await use(world)


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of a headend that was stopped in order, with an order in force."""
    folder = tmp_path_factory.mktemp("headend")
    trio.run(write_journal, folder, clock=MockClock(autojump_threshold=0))
    return folder / "derhead"


def serve_on_damaged(
    left: Path, before: Callable[[Path], None], during: Callable[[Path], None]
) -> None:
    """Starts a headend on a damaged copy, which is damaged further while it serves.

    If it refuses, the next start salvages and serves.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        shutil.copytree(left, Path(name) / "derhead")
        path = Path(name) / "derhead" / "journal.db"
        before(path)

        def start() -> str | None:
            return trio.run(serve, path, during, clock=MockClock(autojump_threshold=0))

        for _ in range(2):
            refused = start()
            if refused is not None:
                assert "journal" in refused
                assert start() is None


async def serve(path: Path, damage: Callable[[Path], None]) -> str | None:
    """Serves for a while, with damage on the way; returns why the headend did not, if so."""
    refused: str | None = None
    try:
        async with virtual_world(path.parent.parent, FLEET) as world:
            await world.start_agent(GOOD, seed=10)
            await trio.sleep(15)
            damage(path)
            await use(world)
            await trio.sleep(70)
            await use(world)
    except* JournalError as group:
        refused = str(next(leaves(group)))
    return refused


def leave(_path: Path) -> None:
    """No damage."""


@effort(3)
@given(fouled=foulings, running=st.booleans())
def test_a_headend_outlives_foul_texts(
    left: Path, caplog: pytest.LogCaptureFixture, fouled: list[Fouling], running: bool
) -> None:
    def damage(path: Path) -> None:
        for each in fouled:
            foul(path, each)

    caplog.clear()
    serve_on_damaged(left, *((leave, damage) if running else (damage, leave)))
    assert "Traceback" not in caplog.text


@effort(3)
@given(damage=damages, which=st.sampled_from(["before", "", "-wal"]))
def test_a_headend_outlives_a_damaged_journal(
    left: Path, caplog: pytest.LogCaptureFixture, damage: list[Damage], which: str
) -> None:
    def before(path: Path) -> None:
        for each in damage if which == "before" else []:
            hurt(path, each)

    def during(path: Path) -> None:
        for each in [] if which == "before" else damage:
            hurt(path.with_name(path.name + which), each)

    caplog.clear()
    serve_on_damaged(left, before, during)
    assert "Traceback" not in caplog.text

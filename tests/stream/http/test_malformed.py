"""No request ends the server, whatever its bytes and however its connection ends."""

import subprocess
import sys
from functools import partial

import pytest
import trio

from tests.stream.http.malformed import KILLERS, REQUESTS
from tests.stream.http.support import attack, is_healthy, serving


def test_the_table_has_all_requests() -> None:
    assert len(REQUESTS) == 59
    assert set(KILLERS) <= set(REQUESTS)


@pytest.mark.parametrize("with_reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("name", REQUESTS)
async def test_server_survives(name: str, with_reset: bool) -> None:
    with trio.fail_after(10):
        async with serving() as running:
            await attack(running.port, REQUESTS[name], with_reset=with_reset)
            assert await is_healthy(running.port)
            assert not running.ended.is_set()


@pytest.mark.parametrize("name", KILLERS)
async def test_hypercorns_own_serve_does_not(name: str) -> None:
    """Were our accept loop no better than this, the test above would fail."""
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            run = partial(
                trio.run_process,
                [sys.executable, "-m", "tests.stream.http.stock"],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                check=False,
            )
            process: trio.Process = await nursery.start(run)
            assert process.stdout is not None
            port = int(await process.stdout.receive_some())
            assert await is_healthy(port)
            await attack(port, REQUESTS[name], with_reset=False)
            assert await process.wait() != 0
            assert not await is_healthy(port)

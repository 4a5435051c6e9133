"""The bench of the tests of sessions."""

import pytest
import trio

from tests.stream.sessions.bench import Bench, start_bench


@pytest.fixture
async def bench(nursery: trio.Nursery) -> Bench:
    return await start_bench(nursery)

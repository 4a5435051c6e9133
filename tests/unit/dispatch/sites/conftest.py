"""The desks of a site, and their agents."""

import pytest
import trio

from tests.unit.dispatch.sites.site_world import World


@pytest.fixture
async def world(nursery: trio.Nursery) -> World:
    world = World()
    await nursery.start(world.desk.run)
    await nursery.start(world.sites.run)
    return world

"""A desk over a store in memory."""

import pytest
import trio

from derhead.dispatch import DispatchDesk
from derproto.base.runtime import virtual_runtime
from tests.support.dispatch.desk_fakes import Store
from tests.support.epoch import T0


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
async def desk(store: Store, nursery: trio.Nursery) -> DispatchDesk:
    desk = DispatchDesk(store, virtual_runtime(T0))
    await nursery.start(desk.run)
    return desk

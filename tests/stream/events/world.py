"""A server of events for a small headend, in memory and in virtual time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import trio

from derhead.access import AccessGate
from derhead.api import RestApp, create_app
from derproto.triogrpc.testing import MemoryStream
from tests.stream.events.reading import Reader
from tests.stream.http.support import Serving, serving_in_memory
from tests.support.api.fake_headend import SAMPLE, FakeView
from tests.support.assets import fleet_of, make_asset


@dataclass
class World:
    """A headend that serves events, and its readers."""

    view: FakeView
    app: RestApp
    running: Serving[MemoryStream]

    async def reader(
        self, query: str = "", last_id: int | None = None, token: str | None = None
    ) -> Reader:
        """A reader whose stream has begun."""
        reader = Reader(await self.running.connect())
        assert await reader.ask(query, last_id, token) == 200
        return reader

    def offer_all(self, number: int) -> None:
        """A new sample of every asset, its power and sequence the number."""
        for asset_id in self.view.fleet.assets:
            sample = replace(SAMPLE, asset_id=asset_id, seq=number, p_mw=float(number))
            assert self.view.latest.offer(sample)


@asynccontextmanager
async def world(
    view: FakeView | None = None, gate: AccessGate | None = None
) -> AsyncIterator[World]:
    view = view or FakeView()
    app = create_app(view, gate)
    async with serving_in_memory(app=app) as running, trio.open_nursery() as nursery:
        await nursery.start(partial(app.events.run, stopping=running.stopping))
        yield World(view, app, running)
        nursery.cancel_scope.cancel()


def large_view(assets: int) -> FakeView:
    """A fake headend with that many assets; 250 of them make a frame larger than any buffer."""
    view = FakeView()
    view.fleet = fleet_of(*(make_asset(f"asset-{n}", name=f"name {n}") for n in range(assets)))
    return view

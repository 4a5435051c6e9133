"""Readers of events with a token: what they see, and that their stream ends with their token."""

from dataclasses import replace

from trio.testing import MockClock

from derhead.events import DispatchEvent, SessionEvent
from derproto.configuration.fleet import AssetKind, Fleet, Site
from tests.stream.events.reading import Reader
from tests.stream.events.world import World, world
from tests.support.access import (
    ALAMOSA,
    NORTH,
    OPERATOR,
    STRANGE,
    VIEWER,
    make_gate,
    make_tokens,
)
from tests.support.api.fake_headend import (
    BATTERY,
    DISPATCHED,
    NOW,
    SESSION,
    SILENT,
    SOLAR,
    FakeView,
    make_fleet,
)
from tests.support.assets import make_asset

FAR, MILL = "0f0e0d0c-0000-4000-8000-00000000000f", "0f0e0d0c-0000-4000-8000-0000000000ff"


def two_sites() -> FakeView:
    """The fake headend, with one more site, North, that has a mill."""
    view = FakeView()
    fleet = make_fleet()
    mill = make_asset(MILL, AssetKind.LOAD, -1.0, 0.0, name="mill", site_id=FAR)
    view.fleet = Fleet({**fleet.sites, FAR: Site(FAR, "North")}, {**fleet.assets, MILL: mill})
    return view


async def test_a_stranger_gets_no_events(autojump_clock: MockClock) -> None:
    async with world(gate=make_gate(NOW)) as here:
        for token in (None, STRANGE):
            reader = Reader(await here.running.connect())
            assert await reader.ask(token=token) == 401
        assert here.app.events.statistics().readers == 0


async def test_a_reader_of_some_sites_hears_of_these_alone(autojump_clock: MockClock) -> None:
    async with world(two_sites(), make_gate(NOW)) as here:
        near, far = [await here.reader(token=token) for token in (ALAMOSA, NORTH)]
        for reader, assets in ((near, [SOLAR, BATTERY, SILENT]), (far, [MILL])):
            frame = await reader.next("telemetry")
            assert [item["asset_id"] for item in frame.data["items"]] == assets
        at_far = replace(SESSION, agent_id="miller", site_id=FAR, asset_ids=(MILL,))
        here.view.history.happen(
            DispatchEvent(11, NOW, DISPATCHED),
            DispatchEvent(12, NOW, replace(DISPATCHED, asset_id=MILL)),
            SessionEvent(13, NOW, "connected", SESSION),
            SessionEvent(14, NOW, "connected", at_far),
        )
        for reader, ids in ((near, [11, 13]), (far, [12, 14])):
            assert [(await reader.next("dispatch", "agent")).id for _ in ids] == ids


async def test_a_reader_of_some_sites_cannot_ask_for_others(autojump_clock: MockClock) -> None:
    async with world(two_sites(), make_gate(NOW)) as here:
        for query in ("?site_id=Alamosa", f"?asset_id={BATTERY}", "?asset_id=mill,pump"):
            reader = Reader(await here.running.connect())
            assert await reader.ask(query, token=NORTH) == 404
        await here.reader("?asset_id=mill", token=NORTH)


async def next_end(here: World, reader: Reader) -> None:
    """Reads on until the stream ends, in order."""
    while await reader.next_if_any() is not None:
        pass
    assert reader.ended


async def test_a_stream_ends_once_its_token_is_revoked(autojump_clock: MockClock) -> None:
    gate = make_gate(NOW)
    async with world(gate=gate) as here:
        revoked, other = [await here.reader(token=token) for token in (VIEWER, OPERATOR)]
        for reader in (revoked, other):
            await reader.next("telemetry")
        gate.replace(make_tokens(NOW).with_revoked("viewer", NOW))
        here.view.history.happen(DispatchEvent(11, NOW, DISPATCHED))
        assert (await other.next("dispatch")).id == 11
        await next_end(here, revoked)
        assert revoked.last_id != 11
        assert here.app.events.statistics().readers == 1


async def test_a_stream_ends_when_its_token_expires(autojump_clock: MockClock) -> None:
    view = FakeView()
    async with world(view, make_gate(NOW)) as here:
        reader = await here.reader("?kind=dispatch", token=OPERATOR)
        await reader.next("hello")
        view.wall_us = lambda: NOW + 1  # type: ignore[method-assign]
        await next_end(here, reader)

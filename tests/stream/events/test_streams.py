"""The stream of events over the real server: its beginning, its events, its end."""

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from derhead.api.latest.latest_texts import LatestTexts
from derhead.errors import JournalError
from derhead.events import DispatchEvent, LogSpan, SessionEvent, hub
from derproto.configuration.fleet import Fleet
from tests.stream.events.reading import Reader
from tests.stream.events.world import world
from tests.stream.http.support import receive_all
from tests.support.api.fake_headend import BATTERY, DISPATCHED, NOW, SAMPLE, SESSION, SILENT, SOLAR

OTHER = replace(DISPATCHED, id="other", asset_id=SOLAR)
ENDED = SessionEvent(12, NOW, "disconnected", SESSION)


async def test_a_stream_begins_with_hello_and_all_assets(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader()
        assert b"content-type: text/event-stream" in reader.head.lower()
        hello = await reader.next()
        hello.hold()
        assert (hello.kind, hello.id) == ("hello", 9)
        assert hello.data.pop("fleet")
        assert hello.data == {
            "now": "2026-01-31T12:00:00Z",
            "resumed": False,
            "telemetry_period_s": 4.0,
            "stale_after_s": 10.0,
        }
        first = await reader.next()
        first.hold()
        assert (first.kind, first.id) == ("telemetry", None)
        assert [item["asset_id"] for item in first.data["items"]] == [SOLAR, BATTERY, SILENT]
        assert first.data["items"][1]["p_mw"] == -0.25


async def test_later_frames_have_only_changed_assets(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader("?kind=telemetry")
        await reader.next("telemetry")
        began_s = trio.current_time()
        await trio.sleep(3)
        for n in range(5):
            here.view.latest.offer(replace(SAMPLE, seq=2 + n, p_mw=float(n)))
        told = await reader.next("telemetry")
        assert [(item["asset_id"], item["p_mw"]) for item in told.data["items"]] == [(BATTERY, 4.0)]
        assert trio.current_time() - began_s <= 4


async def test_log_events_come_at_once_with_their_ids(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader("?kind=agent,dispatch")
        await reader.next("hello")
        await trio.sleep(2)
        began_s = trio.current_time()
        here.view.history.happen(DispatchEvent(11, NOW, DISPATCHED), ENDED)
        dispatch, agent = await reader.next(), await reader.next()
        dispatch.hold()
        agent.hold()
        assert trio.current_time() - began_s < 0.1
        assert (dispatch.kind, dispatch.id, dispatch.data["at"]) == (
            "dispatch",
            11,
            "2026-01-31T12:00:00Z",
        )
        assert dispatch.data["dispatch"]["state"] == "started"
        assert (agent.kind, agent.id) == ("agent", 12)
        assert agent.data["agent_id"] == "agent-1"
        assert (agent.data["change"], agent.data["reason"]) == ("disconnected", "silent")
        assert agent.data["session"]["samples"] == 30


async def test_a_reader_that_reconnects_gets_the_events_that_it_missed(
    autojump_clock: MockClock,
) -> None:
    async with world() as here:
        events = [DispatchEvent(n, NOW, replace(DISPATCHED, id=str(n))) for n in range(10, 500)]
        here.view.history.happen(*events)
        reader = await here.reader("?kind=dispatch", last_id=20)
        assert (await reader.next("hello")).data["resumed"] is True
        told = [await reader.next("dispatch") for _ in range(479)]
        assert [each.id for each in told] == list(range(21, 500))
        here.view.history.happen(DispatchEvent(500, NOW, DISPATCHED))
        assert (await reader.next("dispatch")).id == 500


@pytest.mark.parametrize("last_id", [3, 99], ids=["too old", "unknown"])
async def test_a_reader_learns_that_it_may_have_missed_events(
    last_id: int, autojump_clock: MockClock
) -> None:
    async with world() as here:
        here.view.history.happen(*(DispatchEvent(n, NOW, DISPATCHED) for n in range(10, 20)))
        reader = await here.reader("?kind=dispatch", last_id=last_id)
        hello = await reader.next("hello")
        assert (hello.data["resumed"], hello.id) == (False, 19)
        here.view.history.happen(DispatchEvent(20, NOW, DISPATCHED))
        assert (await reader.next("dispatch")).id == 20


async def test_a_stream_gives_signs_of_life(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader(f"?kind=dispatch&asset_id={BATTERY}")
        await reader.next("hello")
        here.view.history.happen(DispatchEvent(11, NOW, OTHER))
        began_s = trio.current_time()
        alive = await reader.next()
        alive.hold()
        assert (alive.kind, alive.id) == ("alive", 11)
        assert trio.current_time() - began_s == 10
        assert (await reader.next()).kind == "alive"


async def test_readers_beyond_the_bound_are_refused(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_READERS", 2)
    async with world() as here:
        first, _second = [await here.reader() for _ in range(2)]
        third = Reader(await here.running.connect())
        assert await third.ask() == 503
        assert b"retry-after" in third.head.lower()
        await first.stream.aclose()
        await trio.sleep(1)
        await here.reader()


async def test_filters_of_all_readers_hold_a_bounded_number_of_assets(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_FOLLOWED", 4)
    monkeypatch.setattr(hub, "FILTERS_OF_ALL", 1)
    async with world() as here:
        whole = [await here.reader() for _ in range(3)]
        await here.reader(f"?asset_id={BATTERY}")
        other = Reader(await here.running.connect())
        assert await other.ask(f"?asset_id={SOLAR}") == 503
        assert b"retry-after" in other.head.lower()
        # Neither the same filter nor one without telemetry holds more.
        await here.reader(f"?asset_id={BATTERY}")
        await here.reader(f"?kind=dispatch&asset_id={SOLAR}")
        for reader in whole:
            await reader.stream.aclose()
        await trio.sleep(1)
        await here.reader(f"?asset_id={SOLAR}")


async def test_simultaneous_readers_beyond_the_bound_get_503_and_no_empty_stream(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MAX_READERS", 2)
    async with world() as here:
        event_span = here.view.history.event_span

        async def slow_span() -> LogSpan:
            await trio.sleep(1)
            return await event_span()

        monkeypatch.setattr(here.view.history, "event_span", slow_span)
        readers = [Reader(await here.running.connect()) for _ in range(6)]
        statuses: list[int] = []

        async def ask(reader: Reader) -> None:
            statuses.append(await reader.ask())

        async with trio.open_nursery() as nursery:
            for reader in readers:
                nursery.start_soon(ask, reader)
        assert sorted(statuses) == [200, 200, 503, 503, 503, 503]
        refused = [reader for reader in readers if b"retry-after" in reader.head.lower()]
        assert len(refused) == 4


async def test_a_reader_that_never_gets_its_first_byte_gives_its_place_back(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world() as here:
        monkeypatch.setattr(here.view.history, "event_span", trio.sleep_forever)
        gone = await here.running.connect()
        await gone.send_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        await wait_all_tasks_blocked()
        assert here.app.events.statistics().readers == 1
        await receive_all(gone)
        assert here.app.events.statistics().readers == 0


async def test_a_stopping_headend_ends_streams_in_order(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader()
        await reader.next("telemetry")
        began_s = trio.current_time()
        here.running.stopping.set()
        assert await reader.next_if_any() is None
        assert reader.ended
        await receive_all(reader.stream)
        assert trio.current_time() - began_s < 1


async def test_a_changed_fleet_ends_streams_and_costs_no_event(autojump_clock: MockClock) -> None:
    async with world() as here:
        reader = await here.reader("?kind=telemetry,dispatch")
        hello = await reader.next("hello")
        before = await reader.next("telemetry")
        fleet = here.view.fleet
        left = {id: asset for id, asset in fleet.assets.items() if id != SOLAR}
        fleet.become(Fleet(fleet.sites, left))
        here.app.renew_fleet([SOLAR])
        here.view.history.happen(DispatchEvent(10, NOW, DISPATCHED))
        while await reader.next_if_any() is not None:
            continue
        assert reader.ended
        again = await here.reader("?kind=telemetry,dispatch", reader.last_id)
        hello_again = await again.next("hello")
        assert hello_again.data["resumed"]
        assert hello_again.data["fleet"] != hello.data["fleet"]
        told = [await again.next("telemetry", "dispatch") for _ in range(2)]
        assert {each.kind: each.id for each in told}["dispatch"] == 10
        (after,) = (each for each in told if each.kind == "telemetry")
        ids = [item["asset_id"] for item in before.data["items"]]
        assert [item["asset_id"] for item in after.data["items"]] == ids[1:]


@pytest.mark.parametrize("error", [JournalError("the disk is gone"), ValueError("junk")])
async def test_no_event_is_missed_while_the_log_is_unreadable(
    error: Exception, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        reader = await here.reader("?kind=dispatch")
        await reader.next("hello")
        here.view.history.error = error
        here.view.history.happen(DispatchEvent(11, NOW, DISPATCHED))
        await trio.sleep(5)
        here.view.history.error = None
        here.view.history.happen(DispatchEvent(12, NOW, DISPATCHED))
        assert [(await reader.next("dispatch")).id for _ in range(2)] == [11, 12]
        assert "events" in caplog.text


async def test_a_bug_in_a_look_hides_no_change(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as here:
        reader = await here.reader("?kind=telemetry")
        await reader.next("telemetry")
        for n in range(2, 5):
            here.offer_all(n)
            await reader.next("telemetry")
        with monkeypatch.context() as broken:
            broken.setattr(LatestTexts, "looks", lambda self, assets: 1 / 0)
            await trio.sleep(3)
            here.offer_all(9)
            await trio.sleep(3)
        told = await reader.next("telemetry")
        assert {item["p_mw"] for item in told.data["items"]} == {9.0}
        assert "events stop after a bug" in caplog.text
        # A new reader gets all assets, too.
        another = await here.reader("?kind=telemetry")
        assert len((await another.next("telemetry")).data["items"]) == 3


async def test_an_unreadable_journal_refuses_the_stream(autojump_clock: MockClock) -> None:
    async with world() as here:
        here.view.history.error = JournalError("the disk is gone")
        reader = Reader(await here.running.connect())
        assert await reader.ask() == 503

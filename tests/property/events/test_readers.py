"""Whatever happens, however readers read, come and go: each ends with the newest telemetry of
every asset, and has been told of each logged event once, in order.

The hub, the journal and its file are the real ones, under virtual time. A reader takes what it is
given when it may; in between it is dropped, and comes back with the last id that it had. The
headend is stopped and started on its file.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from derhead.api.latest.latest_texts import LatestTexts
from derhead.api.routes.event_routes import make_hub
from derhead.events import EventHub, Filter, LoggedEvent
from derhead.history import Journal, open_journal
from derproto.base.runtime import virtual_runtime
from tests.support.api.event_text import ReceivedEvent, parse_event
from tests.support.api.fake_headend import BATTERY, NOW, SAMPLE, SILENT, SITE, SOLAR, FakeView
from tests.support.history.records import dispatch, session

ASSETS = (SOLAR, BATTERY, SILENT)
FILTERS = (
    Filter(),
    Filter(),
    Filter(frozenset({"telemetry", "dispatch"}), frozenset({BATTERY})),
    Filter(
        frozenset({"agent", "dispatch"}), frozenset({SOLAR, BATTERY, SILENT}), frozenset({SITE})
    ),
)


@dataclass(frozen=True)
class Offer:
    """An asset sends a sample."""

    asset: int


@dataclass(frozen=True)
class Change:
    """A dispatch of an asset changes."""

    asset: int


@dataclass(frozen=True)
class Meet:
    """A session begins; then it ends, and so on."""

    agent: int


@dataclass(frozen=True)
class Wait:
    seconds: float


@dataclass(frozen=True)
class Read:
    """A reader, or each, takes so many pieces more, as they come."""

    reader: int | None
    pieces: int


@dataclass(frozen=True)
class Drop:
    """A reader's connection breaks; it comes back."""

    reader: int


@dataclass(frozen=True)
class Restart:
    """The headend stops, and starts again."""


Act = Offer | Change | Meet | Wait | Read | Drop | Restart

QUIET_S = 3.0
"""At the end: some looks, and too short for all to become stale, which would be told anew."""

three = st.integers(0, 2)
readers = st.integers(0, len(FILTERS) - 1)
acts: st.SearchStrategy[Act] = st.one_of(
    st.builds(Offer, three),
    st.builds(Offer, three),
    st.builds(Change, three),
    st.builds(Change, three),
    st.builds(Meet, three),
    st.builds(Wait, st.sampled_from([0.0, 0.03, 0.3, 1.2, 12.0])),
    st.builds(Wait, st.just(1.2)),
    st.builds(Read, readers, st.integers(1, 5)),
    st.builds(Read, st.none(), st.just(9)),
    st.builds(Drop, readers),
    st.just(Restart()),
)


@dataclass
class Listener:
    """One reader, over all of its connections."""

    wanted: Filter
    last_id: int | None = None
    from_id: int = 0
    """From after which event on it must know all."""
    logged: list[ReceivedEvent] = field(default_factory=list)
    newest: dict[str, tuple[float | None, bool]] = field(default_factory=dict)
    """Of each asset the power, and whether it is stale, as told last."""
    may_read: trio.Semaphore = field(default_factory=lambda: trio.Semaphore(0))
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    async def listen(self, hub: EventHub) -> None:
        """Reads until it is dropped or the stream ends."""
        self.scope = trio.CancelScope()
        with self.scope:
            async with await hub.subscribe(self.wanted, self.last_id) as subscription:
                async for piece in subscription:
                    await self.may_read.acquire()
                    for block in piece.decode().split("\n\n"):
                        self._take(parse_event(block))

    def _take(self, told: ReceivedEvent | None) -> None:
        if told is None:
            return
        if told.id is not None:
            self.last_id = told.id
        match told.kind:
            case "hello" if told.data["resumed"]:
                assert self.last_id is not None
            case "hello":
                self.from_id = told.id or 0
                self.logged.clear()
            case "telemetry":
                for item in told.data["items"]:
                    self.newest[item["asset_id"]] = (item["p_mw"], item["stale"])
            case "agent" | "dispatch":
                self.logged.append(told)


class World:
    """A headend's parts over lives, and its readers."""

    def __init__(self) -> None:
        self.runtime = virtual_runtime(NOW)
        self.view = FakeView()
        self.view.wall_us = self.runtime.wall_us  # type: ignore[method-assign]
        self.listeners = [Listener(wanted) for wanted in FILTERS]
        self.counter = 0
        self.live: dict[int, str] = {}

    async def live_on(self, path: Path, script: Sequence[Act], *, last: bool) -> None:
        """A life of the headend."""
        async with open_journal(path, self.runtime, synchronous="OFF") as journal:
            self.view.history = journal  # type: ignore[assignment]
            hub = make_hub(self.view, LatestTexts(self.view))
            stopping = trio.Event()
            async with trio.open_nursery() as nursery:
                await nursery.start(partial(hub.run, stopping=stopping))
                for listener in self.listeners:
                    nursery.start_soon(listener.listen, hub)
                await trio.testing.wait_all_tasks_blocked()
                for act in script:
                    await self._do(act, journal, hub, nursery)
                if last:
                    for listener in self.listeners:
                        for _ in range(1000):
                            listener.may_read.release()
                    await trio.sleep(QUIET_S)
                    await self._check(journal)
                stopping.set()
                nursery.cancel_scope.deadline = trio.current_time() + 1

    async def _do(self, act: Act, journal: Journal, hub: EventHub, nursery: trio.Nursery) -> None:
        self.counter += 1
        number = self.counter
        match act:
            case Offer(asset):
                sample = replace(
                    SAMPLE,
                    asset_id=ASSETS[asset],
                    boot_id=8,
                    seq=number,
                    ts_us=self.runtime.wall_us(),
                    received_us=self.runtime.wall_us(),
                    p_mw=float(number),
                )
                assert self.view.latest.offer(sample)
            case Change(asset):
                changed = dispatch(f"d{asset}", asset=ASSETS[asset], revision=number)
                await journal.write(replace(changed, applied_mw=float(number)))
            case Meet(agent):
                name = self.live.pop(agent, None)
                record = session(name or f"s{number}", agent=f"agent-{agent}", assets=(BATTERY,))
                if name is None:
                    self.live[agent] = record.session_id
                    journal.note(record)
                else:
                    journal.note(replace(record, ended_us=number, end_reason="silent"))
            case Wait(seconds):
                await trio.sleep(seconds)
            case Read(reader, pieces):
                for listener in self.listeners if reader is None else [self.listeners[reader]]:
                    for _ in range(pieces):
                        listener.may_read.release()
                await trio.testing.wait_all_tasks_blocked()
            case Drop(reader):
                listener = self.listeners[reader]
                listener.scope.cancel()
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(listener.listen, hub)
                await trio.testing.wait_all_tasks_blocked()
            case Restart():
                raise AssertionError("lives are cut at restarts")

    async def _check(self, journal: Journal) -> None:
        log = await _whole_log(journal)
        for listener in self.listeners:
            wanted = [e for e in log if e.id > listener.from_id and listener.wanted.has(e)]
            assert [told.id for told in listener.logged] == [event.id for event in wanted]
            if listener.wanted.telemetry:
                mine = [asset for asset in ASSETS if listener.wanted.has_asset(asset)]
                assert list(listener.newest) == mine
                for asset_id, (p_mw, stale) in listener.newest.items():
                    sample = self.view.latest.get(asset_id)
                    assert p_mw == (None if sample is None else sample.p_mw)
                    age_us = self.runtime.wall_us() - (0 if sample is None else sample.ts_us)
                    # The last look was up to a second ago.
                    assert stale == (age_us > 10_000_000) or 10_000_000 <= age_us <= 11_500_000


async def _whole_log(journal: Journal) -> list[LoggedEvent]:
    span = await journal.event_span()
    found = await journal.events_after(span.before, limit=10_000)
    assert found is not None
    return found


def lives(script: Sequence[Act]) -> list[list[Act]]:
    """The script, cut at restarts."""
    found: list[list[Act]] = [[]]
    for act in script:
        if isinstance(act, Restart):
            found.append([])
        else:
            found[-1].append(act)
    return found


async def play(script: Sequence[Act]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world, parts = World(), lives(script)
        for number, part in enumerate(parts):
            await world.live_on(Path(folder) / "journal.db", part, last=number == len(parts) - 1)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(st.lists(acts, min_size=5, max_size=40))
def test_every_reader_ends_with_the_newest_telemetry_and_misses_no_event(script: list[Act]) -> None:
    trio.run(play, script, clock=MockClock(autojump_threshold=0))

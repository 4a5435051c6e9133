"""The hub: sends changes to every reader of ``/events``, as fast as that reader reads.

There are two tasks. One looks at the fleet's newest telemetry once a second, the other follows the
journal's log of events. Each wakes the readers when there is something new. A reader
(``Subscription``) is two numbers: its place in the looks and its place in the log. When it is
ready, it takes everything after these places. Nothing is queued for a reader, so a slow one costs
no memory. A frame that many readers want is made once, and all of them get the same bytes.

Without readers, both tasks rest.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

import trio

from derhead.errors import JournalError
from derhead.events.audience import Audience
from derhead.events.board import Board
from derhead.events.filters import AGENT, DISPATCH, Filter
from derhead.events.frames import alive_frame, frame
from derhead.events.logged_events import LoggedEvent, LogSpan, SessionEvent
from derhead.events.ring import Ring, RingEntry
from derhead.events.subscription import Subscription
from derhead.events.texts import EventTexts
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)

LOOK_S = 1.0
"""Time between two looks at the newest telemetry, and so between two frames of one reader."""

ASSETS_A_TURN = 200
"""Assets to look at before other tasks get their turn: less than 1 ms, or 3 ms if all changed."""

GATHER_S = 0.05
"""Pause after each read of the log, so that one read brings many events."""

EVENTS_A_PAGE = 200
"""Events that one read of the log brings."""

RETRY_S = 1.0
"""Pause before the next try after the journal failed."""

MAX_READERS = 500
"""Readers of events at once. When full, another one is refused with 503."""


MAX_FOLLOWED = 100_000
"""Assets in all filters of telemetry together, each filter counted once. A filter keeps a frame of
its own, about 300 bytes an asset. When full, a reader with another filter is refused with 503."""

FILTERS_OF_ALL = 4
"""Whole-fleet filters that fit at any fleet size: one for each set of kinds with telemetry."""


class TooManyReaders(Exception):
    """No place is left for another reader, or none for the assets of its filter."""


class EventLog(Protocol):
    """The part of the journal that the hub uses. Raises: JournalError."""

    async def event_span(self) -> LogSpan: ...

    async def events_after(self, after: int, *, limit: int) -> Sequence[LoggedEvent] | None: ...

    async def wait_event(self, after: int) -> None: ...


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """The readers now, and counters since the start."""

    readers: int
    refused: int
    """Readers that were refused."""
    telemetry_frames: int
    """Frames made; each went to all readers with the same filter and place."""


class EventHub:
    """All readers of events.

    Resource handling: ``run`` owns the tasks; while it does not run, readers get nothing.
    """

    def __init__(self, fleet: Fleet, journal: EventLog, texts: EventTexts) -> None:
        self._journal = journal
        self._fleet = fleet
        self._assets = tuple(fleet.assets.values())
        self._fleet_tag = uuid4().hex[:8]
        self._texts = texts
        self._board = Board()
        self._ring: Ring | None = None
        self._audiences: dict[Filter, Audience] = {}
        self._followed = 0
        self._waiting = trio.lowlevel.ParkingLot()
        self.news = 0
        """Counts news; readers wait for it to rise."""
        self._occupied = trio.Event()
        self.ended = False
        """All streams end."""
        self._readers = self._refused = 0
        self._telemetry_frames = 0

    def renew_fleet(self, removed: Iterable[str]) -> None:
        """Takes over a fleet that has changed, without the removed assets.

        Every stream ends, because its filter names assets of the former fleet. Its reader comes
        back and misses no event; hello's ``fleet`` tells it that the lists have changed.
        """
        self._assets = tuple(self._fleet.assets.values())
        self._fleet_tag = uuid4().hex[:8]
        for asset_id in removed:
            self._board.forget(asset_id)
        for audience in self._audiences.values():
            audience.ended = True
        self._audiences.clear()
        self._tell_all()

    # --- readers --------------------------------------------------------------------

    async def subscribe(self, wanted: Filter, last_id: int | None) -> Subscription:
        """Adds a reader that begins after the event ``last_id``, or after the newest event.

        The reader resumes after ``last_id`` if the journal still holds all later events.

        Resource handling: the subscription holds its place among the readers from now on.
        Raises: TooManyReaders, JournalError.
        """
        span = None
        try:
            audience = self._enter(wanted)
        except TooManyReaders:
            self._refused += 1
            raise
        try:
            span = await self._journal.event_span()
        finally:
            if span is None:
                self.leave(audience)
        resumed = last_id is not None and span.before <= last_id <= span.newest
        position = last_id if last_id is not None and resumed else span.newest
        return Subscription(self, audience, position, resumed=resumed)

    def _enter(self, wanted: Filter) -> Audience:
        """Counts one more reader with that filter, and returns its audience.

        Raises: TooManyReaders, also if the filter is new and has too many assets.
        """
        if self._readers >= MAX_READERS:
            raise TooManyReaders(
                f"{MAX_READERS} readers follow events, the most at once; try again later"
            )
        audience = self._audiences.get(wanted)
        if audience is None:
            mine = [asset for asset in self._assets if wanted.has_asset(asset.id)]
            audience = Audience(wanted, mine)
            most = max(MAX_FOLLOWED, FILTERS_OF_ALL * len(self._assets))
            if self._followed + audience.followed > most:
                raise TooManyReaders(
                    "readers with other filters already follow as many assets as the headend "
                    "serves; follow fewer assets, or all"
                )
            self._followed += audience.followed
            self._audiences[wanted] = audience
        self._readers += 1
        self._occupied.set()
        audience.readers += 1
        return audience

    def leave(self, audience: Audience) -> None:
        """Counts one reader less."""
        self._readers -= 1
        audience.readers -= 1
        if not audience.readers:
            if not audience.ended:
                del self._audiences[audience.wanted]
            self._followed -= audience.followed
        if not self._readers:
            self._occupied = trio.Event()

    async def wait_news(self, seen: int) -> None:
        """Returns once ``news`` exceeds ``seen``, or the hub has ended."""
        while self.news == seen and not self.ended:
            await self._waiting.park()

    def hello(self, resumed: bool, position: int) -> bytes:
        """A reader's first event. Its id lets the reader resume even if no other follows."""
        return frame("hello", self._texts.hello(resumed, self._fleet_tag), position)

    def alive(self, position: int) -> bytes:
        """A sign of life for a reader at that place in the log."""
        return alive_frame(self._texts.alive(), position)

    async def telemetry(self, audience: Audience, look: int) -> tuple[int, bytes]:
        """The number of the newest look, and this audience's changes after ``look``."""
        newest = self._board.look
        if newest == look or not self._board.ready:
            return look, b""
        data, made = await audience.frame(self._board, look, self._texts.telemetry.written)
        self._telemetry_frames += made
        return newest, data

    async def logged(self, wanted: Filter, position: int) -> tuple[int, list[bytes]] | None:
        """Some of the wanted events after ``position``, and the position that they reach.

        None if some events are gone. Raises: JournalError.
        """
        ring = self._ring
        if ring is None or position >= ring.newest:
            return position, []
        entries = ring.since(position)
        if entries is None:
            found = await self._journal.events_after(position, limit=EVENTS_A_PAGE)
            entries = None if found is None else [RingEntry(event) for event in found]
        if not entries:
            return None
        told = [entry.text(self._render) for entry in entries if wanted.has(entry.event)]
        return entries[-1].event.id, told

    def _render(self, event: LoggedEvent) -> bytes:
        kind = AGENT if isinstance(event, SessionEvent) else DISPATCH
        return frame(kind, self._texts.event(event), event.id)

    def statistics(self) -> EventStatistics:
        return EventStatistics(
            readers=self._readers, refused=self._refused, telemetry_frames=self._telemetry_frames
        )

    # --- the tasks ------------------------------------------------------------------

    async def run(
        self,
        *,
        stopping: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serves the readers until ``stopping`` is set; then their streams end.

        Cancellation: ends the streams, too.
        """
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_keep, self._keep_looking)
                nursery.start_soon(_keep, self._follow_log)
                task_status.started()
                await stopping.wait()
                nursery.cancel_scope.cancel()
        finally:
            self.ended = True
            self._tell_all()

    def _tell_all(self) -> None:
        self.news += 1
        self._waiting.unpark_all()

    async def _keep_looking(self) -> None:
        while True:
            self._board.clear()
            await self._occupied.wait()
            due_s = trio.current_time()
            while self._readers:
                await self._look()
                due_s = max(due_s + LOOK_S, trio.current_time())
                await trio.sleep_until(due_s)

    async def _look(self) -> None:
        if not any(audience.wanted.telemetry for audience in self._audiences.values()):
            self._board.clear()
            return
        news = False
        assets = self._assets
        for start in range(0, len(assets), ASSETS_A_TURN):
            turn = assets[start : start + ASSETS_A_TURN]
            news |= self._board.note(self._texts.telemetry.looks(turn))
            await trio.lowlevel.checkpoint()
        if news or not self._board.ready:
            self._board.close()
            self._tell_all()

    async def _follow_log(self) -> None:
        while True:
            self._ring = None
            await self._occupied.wait()
            try:
                self._ring = Ring((await self._journal.event_span()).newest)
                self._tell_all()
                while self._readers:
                    await self._read_on(self._ring)
            except JournalError as error:
                log.warning("events wait for the journal", reason=error)
                await trio.sleep(RETRY_S)

    async def _read_on(self, ring: Ring) -> None:
        await self._journal.wait_event(ring.newest)
        found = await self._journal.events_after(ring.newest, limit=EVENTS_A_PAGE)
        if found is None:
            # The hub is so far behind that events are gone. Each reader finds its own events gone.
            raise JournalError("events were deleted before they were sent")
        ring.extend(found)
        self._tell_all()
        await trio.sleep(GATHER_S)


async def _keep(work: Callable[[], Awaitable[None]]) -> None:
    """Repeats the work for ever. A bug in the work interrupts events for a while, but never the
    headend."""
    while True:
        try:
            await work()
        except Exception:  # the border: a bug in the work must not end it
            log.exception("events stop after a bug", retry_in_s=RETRY_S)
            await trio.sleep(RETRY_S)

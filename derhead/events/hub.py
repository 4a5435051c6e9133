"""The hub: tells every reader of ``/events`` what changes, as fast as each one reads.

Two tasks. One looks at the fleet's newest telemetry once a second, the other follows the
journal's log of events; each wakes the readers when there is something new. A reader is a
place in both (``Subscription``), two numbers, and takes what it has not been told of whenever it
is ready for more: nothing is queued for it, so a slow one costs no memory. What many readers
want is made once, and the same bytes go to all of them.

Nobody listens: then nothing is looked at, and nothing is read.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

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
from derproto.base.fleet import Fleet

log = logging.getLogger(__name__)

LOOK_S = 1.0
"""Between two looks at the newest telemetry: no reader gets more than one frame in that time."""

ASSETS_A_TURN = 200
"""Assets that are looked at before other tasks get their turn: less than a millisecond, or 3 if
all of them have changed."""

GATHER_S = 0.05
"""How long the log is left alone after it was read, so that many events are read at once."""

EVENTS_A_PAGE = 200
"""Events that are read at once."""

RETRY_S = 1.0
"""Pause before the log is read again after the journal failed."""

MAX_READERS = 500
"""Readers of events at once. When full, another one is refused with 503."""


class TooManyReaders(Exception):
    """No more readers are served now."""


class EventLog(Protocol):
    """What the hub needs of the journal. Raises: JournalError."""

    async def event_span(self) -> LogSpan: ...

    async def events_after(self, after: int, *, limit: int) -> Sequence[LoggedEvent] | None: ...

    async def wait_event(self, after: int) -> None: ...


@dataclass(frozen=True, slots=True)
class EventStatistics:
    """How many listen, and counters since the start."""

    readers: int
    refused: int
    """Readers beyond ``MAX_READERS``."""
    telemetry_frames: int
    """Frames made; each went to all readers that were as far and asked the same."""


class EventHub:
    """All readers of events, and what they are told.

    Resource handling: ``run`` owns its tasks; while it does not run, readers learn nothing.
    """

    def __init__(self, fleet: Fleet, journal: EventLog, texts: EventTexts) -> None:
        self._journal = journal
        self._assets = tuple(fleet.assets.values())
        self._texts = texts
        self._board = Board()
        self._ring: Ring | None = None
        self._audiences: dict[Filter, Audience] = {}
        self._waiting = trio.lowlevel.ParkingLot()
        self.news = 0
        """How often there was something new."""
        self._occupied = trio.Event()
        self.ended = False
        """No reader is told more."""
        self._readers = self._refused = 0
        self._telemetry_frames = 0

    # --- readers --------------------------------------------------------------------

    async def subscribe(self, wanted: Filter, last_id: int | None) -> Subscription:
        """A new reader's place: after the event of that id, if the journal still holds all that
        came after it; else after the newest.

        Resource handling: the subscription has its place among the readers already.
        Raises: TooManyReaders, JournalError.
        """
        if self._readers >= MAX_READERS:
            self._refused += 1
            raise TooManyReaders(f"{MAX_READERS} readers listen, and no more are served")
        audience, span = self._enter(wanted), None
        try:
            span = await self._journal.event_span()
        finally:
            if span is None:
                self.leave(audience)
        resumed = last_id is not None and span.before <= last_id <= span.newest
        position = last_id if last_id is not None and resumed else span.newest
        return Subscription(self, audience, position, resumed=resumed)

    def _enter(self, wanted: Filter) -> Audience:
        """One more reads with that filter; its audience."""
        self._readers += 1
        self._occupied.set()
        audience = self._audiences.get(wanted)
        if audience is None:
            mine = [asset for asset in self._assets if wanted.has_asset(asset.id)]
            audience = self._audiences[wanted] = Audience(wanted, mine)
        audience.readers += 1
        return audience

    def leave(self, audience: Audience) -> None:
        """One of them reads no more."""
        self._readers -= 1
        audience.readers -= 1
        if not audience.readers:
            del self._audiences[audience.wanted]
        if not self._readers:
            self._occupied = trio.Event()

    async def wait_news(self, seen: int) -> None:
        """Returns when ``news`` is more than that, or the hub has ended."""
        while self.news == seen and not self.ended:
            await self._waiting.park()

    def hello(self, resumed: bool, position: int) -> bytes:
        """A reader's first event. Its id lets the reader resume though no other follows."""
        return frame("hello", self._texts.hello(resumed), position)

    def alive(self, position: int) -> bytes:
        """A sign of life for a reader at that place."""
        return alive_frame(self._texts.alive(), position)

    async def telemetry(self, audience: Audience, look: int) -> tuple[int, bytes]:
        """What changed after that look for this audience, and up to which look that is."""
        newest = self._board.look
        if newest == look or not self._board.ready:
            return look, b""
        data, made = await audience.frame(self._board, look, self._texts.telemetry.written)
        self._telemetry_frames += made
        return newest, data

    async def logged(self, wanted: Filter, position: int) -> tuple[int, list[bytes]] | None:
        """Some of the events after that one, as far as they are wanted, and up to which these
        are; None if some of them are gone. Raises: JournalError."""
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
        """Tells readers what is new until ``stopping`` is set; then their streams end.

        Cancellation: ends readers' streams, too.
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
        for start in range(0, len(self._assets), ASSETS_A_TURN):
            turn = self._assets[start : start + ASSETS_A_TURN]
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
                log.warning("events wait for the journal: %s", error)
                await trio.sleep(RETRY_S)

    async def _read_on(self, ring: Ring) -> None:
        await self._journal.wait_event(ring.newest)
        found = await self._journal.events_after(ring.newest, limit=EVENTS_A_PAGE)
        if found is None:
            # So far behind that they are gone; readers find out by their own place.
            raise JournalError("events were dropped before they were told")
        ring.extend(found)
        self._tell_all()
        await trio.sleep(GATHER_S)


async def _keep(work: Callable[[], Awaitable[None]]) -> None:
    """Does the work without end. Nobody is told events by a fault, and no headend ends by it."""
    while True:
        try:
            await work()
        except Exception:  # the border: what is told is not what is done
            log.exception("events are told no more for %g s", RETRY_S)
            await trio.sleep(RETRY_S)

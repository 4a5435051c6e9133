"""``/agents/{id}/timeline``: what befell an agent, in one list.

Sessions, gaps and dispatches are histories of their own, each newest first. The timeline walks
through them side by side, and what is newest of all comes next. Its cursor is the last entry's
place, so that pages have no hole and no repeat while entries are added.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from quart import Blueprint, Response

from derhead.api.answers import EntryJson, EntryKind
from derhead.api.dispatch_shapes import dispatch_shape
from derhead.api.lookups import read_query
from derhead.api.params import DEFAULT_LIMIT, PAGE, RANGE, Query
from derhead.api.replies import Refused, reply_items
from derhead.api.shapes import gap_shape, session_shape, time_of
from derhead.api.view import HeadendView
from derhead.dispatch import Dispatch
from derhead.gaps import GapRecord
from derhead.history import Page, PageRequest, TimeRange, decode_cursor, encode_cursor
from derhead.sessions import SessionRecord

T = TypeVar("T")

Place = tuple[int, int, str]
"""Where an entry stands: its time, microseconds since the epoch, the rank of its kind, its id."""

READ_AT_ONCE = 100
"""Records of one history that are read at once."""

MAX_ENTRIES = 1000
"""Entries of one page of a timeline. When full, the cursor leads on."""

LATEST_US = 2**62
"""All times lie before it."""

RANKS: dict[EntryKind, int] = {
    "connected": 0,
    "dispatch": 1,
    "gap": 2,
    "disconnected": 3,
    "superseded": 3,
}
"""Of entries of one moment, the greater comes first."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that befell an agent."""

    at_us: int
    kind: EntryKind
    id: str
    summary: str
    session: SessionRecord | None = None
    gap: GapRecord | None = None
    dispatch: Dispatch | None = None

    @property
    def place(self) -> Place:
        return self.at_us, RANKS[self.kind], self.id


def of_session(session: SessionRecord) -> list[Entry]:
    """Its end, if it has ended, and its beginning."""
    entries = []
    if session.ended_us is not None:
        kind: EntryKind = "superseded" if session.end_reason == "superseded" else "disconnected"
        lasted_s = (session.ended_us - session.connected_us) / 1e6
        summary = f"{kind} after {lasted_s:.6g} s: {session.end_reason}"
        entries.append(Entry(session.ended_us, kind, session.session_id, summary, session))
    summary = f"connected from {session.peer}, version {session.software_version}"
    if session.clock_offset_us is not None:
        offset_s = session.clock_offset_us / 1e6
        summary += f", its clock {abs(offset_s):.3g} s {'ahead' if offset_s >= 0 else 'behind'}"
    entries.append(Entry(session.connected_us, "connected", session.session_id, summary, session))
    return entries


def of_gap(gap: GapRecord) -> list[Entry]:
    """At the gap's start."""
    if gap.end_us is None:
        lasts = "no samples since"
    else:
        lasts = f"no samples for {(gap.end_us - gap.start_us) / 1e6:.6g} s"
    filled = ", filled later" if gap.backfilled else ""
    return [Entry(gap.start_us, "gap", gap.id, f"{lasts}: {gap.cause.value}{filled}", gap=gap)]


def of_dispatch(dispatch: Dispatch) -> list[Entry]:
    """When it was ordered."""
    reasons = ": ".join(filter(None, (dispatch.reason, dispatch.detail)))
    why = f" ({reasons})" if reasons else ""
    summary = f"ordered to hold {dispatch.mw:.6g} MW: {dispatch.state.value}{why}"
    return [Entry(dispatch.created_us, "dispatch", dispatch.id, summary, dispatch=dispatch)]


def entry_shape(entry: Entry) -> EntryJson:
    return {
        "at": time_of(entry.at_us),
        "kind": entry.kind,
        "summary": entry.summary,
        "session": None if entry.session is None else session_shape(entry.session),
        "gap": None if entry.gap is None else gap_shape(entry.gap),
        "dispatch": None if entry.dispatch is None else dispatch_shape(entry.dispatch),
    }


def timeline_routes(view: HeadendView) -> Blueprint:
    """The endpoint that shows an agent's timeline."""
    routes = Blueprint("timeline", __name__)

    @routes.get("/agents/<agent_id>/timeline")
    async def show_timeline(agent_id: str) -> Response:
        query = read_query((*RANGE, *PAGE))
        if not view.knows_agent(agent_id):
            raise Refused(404, f"no agent {agent_id[:80]!r} ever connected")
        limit = min(query.limit or DEFAULT_LIMIT, MAX_ENTRIES)
        scope = ("timeline", agent_id)
        before = (
            None if query.cursor is None else decode_cursor(query.cursor, scope, (int, int, str))
        )
        found = await entries_of(view, agent_id, query, before, limit + 1)
        more = encode_cursor(scope, found[limit - 1].place) if len(found) > limit else None
        return await reply_items(map(entry_shape, found[:limit]), more)

    return routes


async def entries_of(
    view: HeadendView,
    agent_id: str,
    query: Query,
    before: tuple[int | str, ...] | None,
    at_most: int,
) -> list[Entry]:
    """The newest entries in the query's range that stand before that place."""
    history, within = view.history, query.within
    if before is not None:
        # A cursor may be forged, and no store takes a greater time.
        within = within.until(min(int(before[0]), LATEST_US) + 1)

    async def ask_sessions(cursor: str | None) -> Page[SessionRecord]:
        # One that began before the range may have ended within it.
        page = PageRequest(READ_AT_ONCE, TimeRange(to_us=within.to_us), cursor)
        return await history.sessions(agent_id, page)

    async def ask_dispatches(cursor: str | None) -> Page[Dispatch]:
        page = PageRequest(READ_AT_ONCE, within, cursor)
        return await history.dispatch_history(page, asset_ids=assets)

    async def ask_gaps(asset_id: str, cursor: str | None) -> Page[GapRecord]:
        return await history.gaps(asset_id, PageRequest(READ_AT_ONCE, within, cursor))

    newest = await history.sessions(agent_id, PageRequest(1))
    assets: Sequence[str] = newest.items[0].asset_ids if newest.items else ()
    sources: list[Source[Any]] = [Source(ask_sessions, of_session, overlap=True)]
    if assets:
        sources.append(Source(ask_dispatches, of_dispatch))
    sources += [Source(partial(ask_gaps, asset_id), of_gap) for asset_id in assets]
    found: list[Entry] = []
    async for entry in Merged(sources):
        if entry.at_us < within.low_us:
            break
        if entry.at_us < within.high_us and (before is None or entry.place < before):
            found.append(entry)
            if len(found) == at_most:
                break
    return found


class Source(Generic[T]):
    """A history as entries, newest first, read in pages as they are wanted.

    A record makes one entry, or two where records ``overlap``: sessions come by when they
    began, and of one that took over, the beginning stands before the end of the one that it
    took over from, whose record comes after its own. There an entry is known to be the next
    once a later record has only older ones; of one agent's sessions no more than two overlap.
    """

    def __init__(
        self,
        ask: Callable[[str | None], Awaitable[Page[T]]],
        make: Callable[[T], Sequence[Entry]],
        *,
        overlap: bool = False,
    ) -> None:
        self._overlap = overlap
        self._ask = ask
        self._make = make
        self._cursor: str | None = None
        self._records: deque[T] = deque()
        self._at_end = False
        self._waiting: list[Entry] = []
        self._newest_of_last: Place | None = None

    async def head(self) -> Entry | None:
        """The next entry, which ``drop`` takes away; None if there is none."""
        while True:
            head = max(self._waiting, key=_place, default=None)
            if head is not None and self._newest_of_last is not None:
                settled = not self._overlap or head.place > self._newest_of_last
                if self._at_end or settled:
                    return head
            elif self._at_end:
                return None
            await self._read_record()

    def drop(self, entry: Entry) -> None:
        self._waiting.remove(entry)

    async def _read_record(self) -> None:
        if not self._records:
            if self._newest_of_last is not None and self._cursor is None:
                self._at_end = True
                return
            page = await self._ask(self._cursor)
            self._records.extend(page.items)
            self._cursor = page.next_cursor
            if not self._records:
                # A page may be empty and not the last.
                self._at_end = self._cursor is None
                return
        entries = self._make(self._records.popleft())
        self._newest_of_last = max(map(_place, entries))
        self._waiting += entries


def _place(entry: Entry) -> Place:
    return entry.place


class Merged:
    """The entries of all sources, newest first."""

    def __init__(self, sources: Sequence[Source[Any]]) -> None:
        self._sources = sources
        self._heads: dict[int, Entry | None] = {}

    def __aiter__(self) -> "Merged":
        return self

    async def __anext__(self) -> Entry:
        for number, source in enumerate(self._sources):
            if number not in self._heads:
                self._heads[number] = await source.head()
        known = [(head.place, number) for number, head in self._heads.items() if head is not None]
        if not known:
            raise StopAsyncIteration
        _, number = max(known)
        entry = self._heads.pop(number)
        assert entry is not None
        self._sources[number].drop(entry)
        return entry

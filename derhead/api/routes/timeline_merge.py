"""Sessions, gaps and dispatches of an agent as one history, newest first.

Each of them is a history of its own. The merge reads them side by side and always takes the newest
entry.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Container, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from derhead.dispatch import Dispatch
from derhead.gaps import GapRecord
from derhead.history import Histories, Page, PageRequest, TimeRange
from derhead.sessions import SessionRecord
from derhead.shapes import Place, Query, TimelineEntry, of_dispatch, of_gap, of_session

T = TypeVar("T")

READ_AT_ONCE = 100
"""Records of one history that one query reads."""

LATEST_US = 2**62
"""Later than any time in the stores, microseconds since the epoch."""


async def entries_of(
    history: Histories,
    agent_id: str,
    seen: Container[str] | None,
    query: Query,
    before: tuple[int | str, ...] | None,
    at_most: int,
) -> list[TimelineEntry]:
    """The newest entries in the query's range that come after ``before`` in the list.

    Of gaps and dispatches, only those of the assets ``seen``; None = of all.
    """
    within = query.within
    if before is not None:
        # A cursor may be forged, and no store takes a later time.
        within = within.until(min(int(before[0]), LATEST_US) + 1)

    async def ask_sessions(cursor: str | None) -> Page[SessionRecord]:
        # A session that began before the range may have ended within it.
        page = PageRequest(READ_AT_ONCE, TimeRange(to_us=within.to_us), cursor)
        return await history.sessions(agent_id, page)

    async def ask_dispatches(cursor: str | None) -> Page[Dispatch]:
        page = PageRequest(READ_AT_ONCE, within, cursor)
        return await history.dispatch_history(page, asset_ids=assets)

    async def ask_gaps(asset_id: str, cursor: str | None) -> Page[GapRecord]:
        return await history.gaps(asset_id, PageRequest(READ_AT_ONCE, within, cursor))

    newest = await history.sessions(agent_id, PageRequest(1))
    granted: Sequence[str] = newest.items[0].asset_ids if newest.items else ()
    assets = [each for each in granted if seen is None or each in seen]
    sources: list[EntrySource[Any]] = [EntrySource(ask_sessions, of_session, overlap=True)]
    if assets:
        sources.append(EntrySource(ask_dispatches, of_dispatch))
    sources += [EntrySource(partial(ask_gaps, asset_id), of_gap) for asset_id in assets]
    found: list[TimelineEntry] = []
    async for entry in MergedEntries(sources):
        if entry.at_us < within.low_us:
            break
        if entry.at_us < within.high_us and (before is None or entry.place < before):
            found.append(entry)
            if len(found) == at_most:
                break
    return found


class EntrySource(Generic[T]):
    """A history as entries, newest first, read page by page on demand.

    A session makes two entries, its beginning and its end; any other record makes one. Sessions
    are sorted by beginning and may ``overlap``: a new session begins before it ends the older one.
    So the source hands out an entry only after it has read the following record, whose entries
    must all be older. At most two sessions of an agent overlap.
    """

    def __init__(
        self,
        ask: Callable[[str | None], Awaitable[Page[T]]],
        make: Callable[[T], Sequence[TimelineEntry]],
        *,
        overlap: bool = False,
    ) -> None:
        self._overlap = overlap
        self._ask = ask
        self._make = make
        self._cursor: str | None = None
        self._records: deque[T] = deque()
        self._at_end = False
        self._waiting: list[TimelineEntry] = []
        self._newest_of_last: Place | None = None

    async def head(self) -> TimelineEntry | None:
        """The next entry, which stays until ``drop``; None if there is none."""
        while True:
            head = max(self._waiting, key=_place, default=None)
            if head is not None and self._newest_of_last is not None:
                settled = not self._overlap or head.place > self._newest_of_last
                if self._at_end or settled:
                    return head
            elif self._at_end:
                return None
            await self._read_record()

    def drop(self, entry: TimelineEntry) -> None:
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
                # An empty page need not be the last.
                self._at_end = self._cursor is None
                return
        entries = self._make(self._records.popleft())
        self._newest_of_last = max(map(_place, entries))
        self._waiting += entries


def _place(entry: TimelineEntry) -> Place:
    return entry.place


class MergedEntries:
    """The entries of several sources, newest first."""

    def __init__(self, sources: Sequence[EntrySource[Any]]) -> None:
        self._sources = sources
        self._heads: dict[int, TimelineEntry | None] = {}

    def __aiter__(self) -> "MergedEntries":
        return self

    async def __anext__(self) -> TimelineEntry:
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

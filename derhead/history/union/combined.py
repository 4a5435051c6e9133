"""The history that the headend shows: the journal's, joined with PostgreSQL's if there is one.

The journal is asked first. It answers alone if it has all the rows, even without PostgreSQL.
PostgreSQL is asked for the rest afterwards; see ``merging``.
"""

from collections.abc import Awaitable, Sequence
from typing import Protocol, TypeVar

from derhead.dispatch import Dispatch, FoundGroup
from derhead.errors import JournalError
from derhead.history.journal.embedded import Journal
from derhead.history.postgres.archive import PIECE_ROWS, Archive
from derhead.history.postgres.connections.causes import StoreUnreachable
from derhead.history.queries import statements
from derhead.history.queries.reader import Reader
from derhead.history.sql import buckets, mapping
from derhead.history.sql.cursors import Page
from derhead.history.sql.histories import Histories
from derhead.history.sql.listings import HorizonKind, Listing
from derhead.history.sql.page_request import END_US
from derhead.history.union import merging
from derproto.base.timefmt import format_us

T = TypeVar("T")


FED_S = 5.0
"""Time that a question waits until PostgreSQL has the late samples of its range. When over, the
answer is 503."""


class Feeding(Protocol):
    """The feed, or another process that knows how far the feed is."""

    async def wait_passed(self, before_us: int, within_s: float) -> bool:
        """Whether PostgreSQL has every sample from before ``before_us`` that the journal ever had.

        Waits for it at most ``within_s``.
        """


class History(Histories):
    """The history for callers.

    Raises: JournalError also if PostgreSQL is needed and does not answer; its text says from what
    time on the journal could answer.
    """

    def __init__(
        self, journal: Reader, archive: Archive | None = None, feeding: Feeding | None = None
    ) -> None:
        self._journal = journal
        self._archive = archive
        self._feeding = feeding

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        found = await self._journal.dispatch(dispatch_id)
        if found is not None or self._archive is None:
            return found
        horizon_us = await self._journal.horizon(HorizonKind.RECORDS)
        if horizon_us is None:
            return None
        return await _answered(self._archive.dispatch(dispatch_id), horizon_us)

    async def group(self, group_id: str) -> FoundGroup | None:
        if self._archive is None:
            return await self._journal.group(group_id)
        found, parts, horizon_us = await self._journal.find_group(group_id)
        # The journal lets the parts go one by one, and then their group.
        if horizon_us is not None and (found is None or found.created_us < horizon_us):
            older, their_parts = await _answered(self._archive.find_group(group_id), horizon_us)
            found = found or older
            by_id = {row.id: row for row in (*their_parts, *parts)}
            parts = sorted(by_id.values(), key=lambda row: (row.created_us, row.asset_id, row.id))
        return mapping.to_found_group(found, parts)

    async def _page(self, listing: Listing[T]) -> Page[T]:
        ours, horizon_us = await self._journal.find(listing)
        if self._archive is None or merging.is_whole(ours, listing, horizon_us):
            return listing.page(ours)
        theirs = await _answered(self._archive.find(listing), horizon_us)
        stale: frozenset[tuple[int | str, ...]] = frozenset()
        if listing.changing_table:
            keys = {listing.key(row) for row in theirs} - {listing.key(row) for row in ours}
            known = await self._journal.known(listing.changing_table, [str(key[1]) for key in keys])
            stale = frozenset(key for key in keys if key[1] in known)
        merged = merging.merge_pages(ours, theirs, listing, stale)
        return listing.page(merged.rows, merged.resume)

    async def _gather(self, asked: buckets.Steps) -> Sequence[buckets.BucketPart]:
        gathering = buckets.Gathering(asked, statements.PIECE_ROWS)
        if self._archive is None:
            return await self._journal._gather(asked)
        horizon_us = None
        while not gathering.done:
            horizon_us = await self._journal.gather(gathering, asked.low_us)
            if horizon_us is not None and horizon_us >= gathering.high_us:
                break
        if gathering.done:
            return gathering.parts
        # From here back PostgreSQL alone answers, so a row that both stores have counts once.
        await self._wait_fed(gathering.high_us, horizon_us)
        gathering.piece_rows = PIECE_ROWS
        while not gathering.done:
            await _answered(self._archive.gather(gathering, asked.low_us), horizon_us)
        return gathering.parts

    async def _wait_fed(self, before_us: int, horizon_us: int | None) -> None:
        feeding = self._feeding
        if feeding is not None and not await feeding.wait_passed(before_us, FED_S):
            raise JournalError(
                f"history {_older(horizon_us)} is in PostgreSQL, which has not been fed all of it"
            )


class LiveHistory(History):
    """The history of a running headend, with its event log."""

    def __init__(
        self, journal: Journal, archive: Archive | None = None, feeding: Feeding | None = None
    ) -> None:
        super().__init__(journal, archive, feeding)
        self.event_span = journal.event_span
        self.events_after = journal.events_after
        self.wait_event = journal.wait_event


async def _answered(asked: Awaitable[T], horizon_us: int | None) -> T:
    try:
        return await asked
    except StoreUnreachable as error:
        raise JournalError(
            f"history {_older(horizon_us)} is in PostgreSQL, which does not answer: {error}"
        ) from error


def _older(horizon_us: int | None) -> str:
    """What the journal cannot answer alone, for people."""
    if horizon_us is None or horizon_us >= END_US:
        return "of this headend"
    return f"from before {format_us(horizon_us)}"

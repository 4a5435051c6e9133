"""PostgreSQL's part of the history: it answers the same questions as the journal."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from derhead.dispatch import Dispatch, FoundGroup
from derhead.history.sql import buckets, listings, mapping, row_types
from derhead.history.sql.cursors import Page
from derhead.history.sql.histories import Histories
from derhead.history.sql.listings import Listing
from derhead.history.sql.row_types import DispatchRow, GroupRow

T = TypeVar("T")

PIECE_ROWS = 100_000
"""Rows of telemetry that one statement of PostgreSQL gathers by steps of time: some 50 ms of
another process. When full, the next statement continues there."""


class Fetches(Protocol):
    """A database that answers one statement at a time."""

    async def fetch(self, sql: str, *args: object) -> Sequence[tuple[Any, ...]]:
        """The rows. Raises: an error of its own if the database does not answer in time."""


class Archive(Histories):
    """Everything that PostgreSQL has been fed. Raises: what its ``fetch`` raises."""

    def __init__(self, database: Fetches) -> None:
        self._database = database

    async def find(self, listing: Listing[T]) -> Sequence[Any]:
        """The rows of a page, and one more if there is one."""
        return listing.rows(await self._ask(listing.sql, *listing.args))

    async def gather(self, gathering: buckets.Gathering, low_us: int) -> None:
        """The next piece of a page in steps, back to ``low_us`` at most."""
        (edges,) = await self._ask(buckets.EDGES, *gathering.ask_edges(low_us))
        start_us = gathering.find_low(low_us, edges)
        if start_us is not None:
            found = await self._ask(buckets.SUMS, *gathering.ask_sums(start_us))
            gathering.take(start_us, found)

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        found = await self._ask(listings.DISPATCH, dispatch_id)
        return mapping.to_dispatch(found[0]) if found else None

    async def group(self, group_id: str) -> FoundGroup | None:
        found, parts = await self.find_group(group_id)
        return mapping.to_found_group(found, parts)

    async def find_group(self, group_id: str) -> tuple[GroupRow | None, Sequence[DispatchRow]]:
        """An order to a site, and its parts."""
        found = await self._ask(listings.GROUP, group_id)
        parts = await self._ask(listings.PARTS, group_id)
        return GroupRow(*found[0]) if found else None, list(map(DispatchRow._make, parts))

    async def _page(self, listing: Listing[T]) -> Page[T]:
        return listing.page(await self.find(listing))

    async def _gather(self, asked: buckets.Steps) -> Sequence[buckets.BucketPart]:
        gathering = buckets.Gathering(asked, PIECE_ROWS)
        while not gathering.done:
            await self.gather(gathering, asked.low_us)
        return gathering.parts

    async def _ask(self, sql: str, *args: object) -> Sequence[row_types.Row]:
        return await self._database.fetch(listings.dialect(sql), *args)

"""The journal's questions as async calls.

Each runs on a reading connection, one at a time. Questions that an order needs have a connection of
their own, so a queue of long histories delays no order.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from derhead.dispatch import Dispatch, DispatchGroup, FoundGroup, Reading, ReadingRange, UsedKey
from derhead.events import LoggedEvent, LogSpan
from derhead.gaps import Unfinished
from derhead.history.file import facts
from derhead.history.queries import order_lookups, statements
from derhead.history.queries.query_connection import QueryConnection
from derhead.history.queries.unfinished import unfinished_gaps
from derhead.history.sql import buckets
from derhead.history.sql.cursors import Page
from derhead.history.sql.histories import Histories
from derhead.history.sql.listings import HorizonKind, Listing
from derhead.history.sql.page_request import check_positive
from derhead.history.sql.row_types import DispatchRow, GroupRow
from derhead.history.writing import eventlog
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

T = TypeVar("T")


class Reader(Histories):
    """The journal's past, and what a headend needs at its start.

    ``orders`` answers the questions that an order needs: ids, keys, and whether the journal still
    has all orders. ``histories`` answers everything else.
    """

    def __init__(self, histories: QueryConnection, orders: QueryConnection) -> None:
        self._histories = histories
        self._orders = orders

    # --- what a headend needs at its start ------------------------------------------

    async def latest_samples(self) -> list[Sample]:
        """The newest sample of each asset that ever sent one."""
        return await self._read(statements.latest_samples)

    async def latest_heartbeats(self) -> list[HeartbeatRecord]:
        """The newest heartbeat of each agent."""
        return await self._read(statements.latest_heartbeats)

    async def last_sessions(self) -> list[SessionRecord]:
        """The newest session of each agent."""
        return await self._read(statements.last_sessions)

    async def unfinished_gaps(self, at_most: int) -> list[Unfinished]:
        """The newest gaps that samples may still fill, at most ``at_most`` of each asset."""
        return await self._read(partial(unfinished_gaps, at_most=at_most))

    async def last_levels(self, asset_ids: Sequence[str], before_us: int) -> list[LevelHour]:
        """The last stored hour of each asset's service levels that begins before that time."""
        return await self._read(
            partial(statements.last_levels, asset_ids=asset_ids, before_us=before_us)
        )

    async def open_dispatches(self) -> list[Dispatch]:
        """The dispatches that have not ended, with all their states, oldest first."""
        return await self._read(statements.open_dispatches)

    async def open_groups(self) -> list[DispatchGroup]:
        """The orders to sites with a part that has not ended, oldest first."""
        return await self._read(order_lookups.open_groups)

    async def told_tokens(self) -> str | None:
        """The tokens as the audit trail last told of them; None = it never did."""
        return await self._read(partial(facts.get, key=facts.TOLD_TOKENS))

    async def count_keys(self) -> int:
        """The number of idempotency keys."""
        return await self._read_order(order_lookups.count_keys)

    # --- one thing ------------------------------------------------------------------

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        """The dispatch of that id, with all its states."""
        return await self._read_order(partial(statements.dispatch, dispatch_id=dispatch_id))

    async def group(self, group_id: str) -> FoundGroup | None:
        return await self._read_order(partial(statements.group, group_id=group_id))

    async def used_key(self, key: str) -> UsedKey | None:
        """The use of that idempotency key."""
        return await self._read_order(partial(order_lookups.used_key, key=key))

    async def unjudged(self, after: tuple[int, str] | None = None, *, limit: int) -> list[Dispatch]:
        """Ended dispatches without a verdict, oldest first by (created_us, id)."""
        check_positive(limit=limit)
        return await self._read(partial(order_lookups.unjudged, after=after, limit=limit))

    async def readings(
        self, stretches: Sequence[ReadingRange], *, limit: int
    ) -> list[list[Reading]]:
        """Active power of each stretch, newest first, at most ``limit`` readings."""
        check_positive(limit=limit)
        return await self._read(partial(order_lookups.readings, stretches=stretches, limit=limit))

    async def event_span(self) -> LogSpan:
        """Which events the log holds."""
        return await self._read(eventlog.span)

    async def events_after(self, after: int, *, limit: int) -> list[LoggedEvent] | None:
        """Events with numbers above ``after``, oldest first; None if some of them are gone."""
        check_positive(limit=limit)
        return await self._read(partial(eventlog.events_after, after=after, limit=limit))

    # --- pages ----------------------------------------------------------------------

    async def _page(self, listing: Listing[T]) -> Page[T]:
        return listing.page(await self._read(partial(statements.find, listing=listing)))

    async def _gather(self, asked: buckets.Steps) -> Sequence[buckets.BucketPart]:
        gathering = buckets.Gathering(asked, statements.PIECE_ROWS)
        piece = partial(statements.gather_piece, gathering=gathering, low_us=asked.low_us)
        while not gathering.done:
            # Other questions have their turn between two pieces.
            await self._read(piece)
        return gathering.parts

    # --- for who asks another store, too --------------------------------------------

    async def horizon(self, kind: HorizonKind) -> int | None:
        """The time from which the journal has all rows of that kind; None = it has them all."""
        return await self._read_order(partial(statements.horizon, kind=kind))

    async def find(self, listing: Listing[T]) -> tuple[Sequence[Any], int | None]:
        """The rows of a page, one more if there is one, and the horizon at that moment."""
        return await self._read(partial(statements.find_with_horizon, listing=listing))

    async def gather(self, gathering: buckets.Gathering, low_us: int) -> int | None:
        """The next piece of a page in steps, as far back as the horizon; returns the horizon."""
        return await self._read(
            partial(statements.gather_with_horizon, gathering=gathering, low_us=low_us)
        )

    async def is_fed(self, before_us: int, up_to: int | None) -> tuple[bool, int]:
        """Whether PostgreSQL has been fed all samples from before that time.

        Also returns the newest commit that counted. If ``up_to`` is given, later commits do not
        count.
        """
        return await self._read(partial(statements.is_fed, before_us=before_us, up_to=up_to))

    async def known(self, table: str, ids: Sequence[str]) -> set[str]:
        """The ids that the journal has in that table, in any state."""
        return await self._read(partial(statements.known, table=table, ids=ids))

    async def find_group(
        self, group_id: str
    ) -> tuple[GroupRow | None, Sequence[DispatchRow], int | None]:
        """An order to a site, its parts, and the horizon of both."""
        return await self._read_order(partial(statements.group_with_horizon, group_id=group_id))

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self._histories.run(query)

    async def _read_order(self, query: Callable[[sqlite3.Connection], T]) -> T:
        return await self._orders.run(query)

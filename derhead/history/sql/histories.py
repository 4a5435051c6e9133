"""The questions that every store answers."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TypeVar

from derhead.audit import AuditAction, AuditRecord
from derhead.dispatch import Dispatch, FoundGroup, State
from derhead.gaps import GapRecord
from derhead.history.sql import buckets, listings
from derhead.history.sql.cursors import Page
from derhead.history.sql.listings import Listing
from derhead.history.sql.page_request import PageRequest
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample

T = TypeVar("T")


class Histories(ABC):
    """All histories, newest first, in pages without holes or repeats while rows are added.

    A page may have fewer items than its limit although more follow: ``next_cursor`` tells.

    Cancellation: waits for a query that has begun. Raises: BadCursor for a cursor of another query;
    ValueError for a ``step_us`` out of range; JournalError if a store cannot be read.
    """

    async def telemetry_history(self, asset_id: str, page: PageRequest) -> Page[Sample]:
        """Samples of an asset, ordered by measuring time."""
        return await self._page(listings.telemetry(asset_id, page))

    async def telemetry_buckets(
        self, asset_id: str, page: PageRequest, *, step_us: int
    ) -> Page[Bucket]:
        """Samples of an asset in time steps; steps without samples are left out.

        A bucket at the edge of the range covers only the samples within the range. ``last_mw`` is
        the known power with the greatest (time, agent, boot, sequence).
        """
        asked = buckets.steps(asset_id, step_us, page)
        return asked.page(await self._gather(asked))

    async def dispatch_history(
        self,
        page: PageRequest,
        *,
        asset_id: str | None = None,
        asset_ids: Sequence[str] | None = None,
        states: Collection[State] | None = None,
    ) -> Page[Dispatch]:
        """Dispatches of one asset, several or all, in given states or any, ordered by creation."""
        return await self._page(
            listings.dispatches(page, asset_id=asset_id, asset_ids=asset_ids, states=states)
        )

    async def sessions(self, agent_id: str, page: PageRequest) -> Page[SessionRecord]:
        """Sessions of an agent, ordered by their start."""
        return await self._page(listings.sessions(agent_id, page))

    async def heartbeats(self, agent_id: str, page: PageRequest) -> Page[HeartbeatRecord]:
        """Heartbeats of an agent, ordered by arrival."""
        return await self._page(listings.heartbeats(agent_id, page))

    async def gaps(self, asset_id: str, page: PageRequest) -> Page[GapRecord]:
        """Gaps of an asset that overlap the range, ordered by their start."""
        return await self._page(listings.gaps(asset_id, page))

    async def service_levels(self, asset_id: str, page: PageRequest) -> Page[LevelHour]:
        """Service levels of an asset, an item for each hour, ordered by the hour."""
        return await self._page(listings.service_levels(asset_id, page))

    async def audit(
        self,
        page: PageRequest,
        *,
        actions: Collection[AuditAction] | None = None,
        caller: str | None = None,
        target: str | None = None,
        site_ids: Sequence[str] | None = None,
    ) -> Page[AuditRecord]:
        """The audit trail, of given actions or all, ordered by time.

        ``caller``: a name, or the address of callers without a name. ``site_ids``: only entries
        that concern one of these sites.
        """
        return await self._page(
            listings.audit(page, actions=actions, caller=caller, target=target, site_ids=site_ids)
        )

    @abstractmethod
    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        """The dispatch of that id, with all its states."""

    @abstractmethod
    async def group(self, group_id: str) -> FoundGroup | None:
        """The order to a site of that id, and its parts, oldest first."""

    @abstractmethod
    async def _page(self, listing: Listing[T]) -> Page[T]: ...

    @abstractmethod
    async def _gather(self, asked: buckets.Steps) -> Sequence[buckets.BucketPart]: ...

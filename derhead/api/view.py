"""All that REST needs of the headend: what it reads, and the one thing it can ask for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from derhead.dispatch import (
    AssetOrder,
    Dispatch,
    DoesNotFit,
    FoundGroup,
    KeyClaim,
    KeyKeeper,
    Preflight,
    SiteNow,
    SiteOrder,
    SitePreflight,
    State,
    Verdict,
)
from derhead.events import LoggedEvent, LogSpan
from derhead.gaps import GapRecord
from derhead.history import Page, PageRequest
from derhead.observability import Metrics, Readiness
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, LatestTable, Sample
from derproto.base.fleet import Fleet


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """An agent that is connected now. Times are microseconds since the epoch, UTC."""

    id: str
    site_id: str | None
    asset_ids: tuple[str, ...]
    """Those granted to its session."""
    session_id: str
    connected_us: int
    last_seen_us: int
    peer: str
    software_version: str
    clock_offset_us: int
    """The agent's clock minus the headend's."""
    outbox_rows: int
    duplicate_id: bool
    """Several agents seem to use this id."""


class HistoryReader(Protocol):
    """The journal's histories, newest first; ``derhead.history`` says more of each.

    Raises: BadCursor, JournalError.
    """

    async def telemetry_history(self, asset_id: str, page: PageRequest) -> Page[Sample]: ...

    async def telemetry_buckets(
        self, asset_id: str, page: PageRequest, *, step_us: int
    ) -> Page[Bucket]: ...

    async def gaps(self, asset_id: str, page: PageRequest) -> Page[GapRecord]: ...

    async def dispatch_history(
        self,
        page: PageRequest,
        *,
        asset_id: str | None = None,
        asset_ids: Sequence[str] | None = None,
        states: Collection[State] | None = None,
    ) -> Page[Dispatch]: ...

    async def dispatch(self, dispatch_id: str) -> Dispatch | None: ...

    async def group(self, group_id: str) -> FoundGroup | None: ...

    async def sessions(self, agent_id: str, page: PageRequest) -> Page[SessionRecord]: ...

    async def heartbeats(self, agent_id: str, page: PageRequest) -> Page[HeartbeatRecord]: ...

    async def event_span(self) -> LogSpan: ...

    async def events_after(self, after: int, *, limit: int) -> Sequence[LoggedEvent] | None: ...

    async def wait_event(self, after: int) -> None: ...


class HeadendView(Protocol):
    """The headend, as REST sees it."""

    @property
    def fleet(self) -> Fleet: ...

    @property
    def latest(self) -> LatestTable: ...

    @property
    def telemetry_period_ms(self) -> int: ...

    @property
    def history(self) -> HistoryReader: ...

    @property
    def readiness(self) -> Readiness: ...

    @property
    def metrics(self) -> Metrics: ...

    def wall_us(self) -> int:
        """Now, microseconds since the epoch, UTC."""

    def agents(self) -> Sequence[AgentView]:
        """The agents connected now."""

    def holder(self, asset_id: str) -> str | None:
        """The agent connected now that holds the asset."""

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that holds the asset, or held it last."""

    def knows_agent(self, agent_id: str) -> bool:
        """Whether the agent ever had a session."""

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        """The agent's newest heartbeat."""

    def site_now(self, site_id: str) -> SiteNow:
        """What a site's assets do, and what more they could."""

    def setpoint_mw(self, asset_id: str) -> float | None:
        """The dispatch in force, MW."""

    @property
    def keys(self) -> KeyKeeper: ...

    async def order(self, order: AssetOrder, claim: KeyClaim | None = None) -> Dispatch:
        """Takes an order; its dispatch, and the key that it bears, are durable.

        Raises: JournalError, TooManyOpen; then there is none.
        """

    async def order_site(
        self, order: SiteOrder, claim: KeyClaim | None = None
    ) -> FoundGroup | DoesNotFit:
        """As ``order``, for a whole site."""

    def preflight(self, order: AssetOrder) -> Preflight:
        """What would become of an order to an asset."""

    def preflight_site(self, order: SiteOrder) -> SitePreflight:
        """What would become of an order to a site."""

    async def verdict_so_far(self, dispatch: Dispatch) -> Verdict | None:
        """By the newest telemetry. Raises: JournalError."""

    async def cancel_group(self, group_id: str, reason: str) -> FoundGroup | None:
        """Withdraws what is open of a group; None if there is no such group.

        Raises: NotOpen if all of it has ended; JournalError, and then it can be tried again.
        """

    async def cancel(self, dispatch_id: str, reason: str) -> Dispatch:
        """Withdraws a dispatch: it has ended, or is ``cancelling`` until its agent says so.

        Raises: NotOpen if it has ended or never was; JournalError, and then it goes on.
        """

    def failing(self) -> str | None:
        """Why no order can be stored now; None if one can."""

    def held(self) -> str | None:
        """Why telemetry is not stored, though orders are; None if it is."""

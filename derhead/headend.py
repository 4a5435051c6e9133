"""The headend's parts, wired together, and the view of them that REST uses."""

from collections.abc import Sequence
from uuid import uuid4

from derhead.dispatch import (
    AssetOrder,
    Dispatch,
    DispatchDesk,
    DoesNotFit,
    FoundGroup,
    Judge,
    KeyClaim,
    KeyKeeper,
    Preflight,
    SiteDesk,
    SiteNow,
    SiteOrder,
    SitePreflight,
    Verdict,
)
from derhead.gaps import HOLES_KEPT, GapLedger, GapLimits
from derhead.history import Archive, Feed, Journal, LiveHistory, Retention, RetentionLimits
from derhead.observability import (
    Metrics,
    Readiness,
    damage_check,
    feed_check,
    feed_metrics,
    gap_metrics,
    journal_check,
    journal_metrics,
    retention_metrics,
    session_metrics,
)
from derhead.sessions import HeartbeatRecord, SessionLimits, Sessions
from derhead.shapes import ConnectedAgent
from derhead.telemetry import LatestTable, stale_after_us
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet


class Headend:
    """Fleet, latest table, desk and sessions over one journal.

    Resource handling: it starts no task; the daemon runs its parts.
    """

    def __init__(
        self,
        fleet: Fleet,
        journal: Journal,
        *,
        limits: SessionLimits,
        retention: RetentionLimits,
        runtime: Runtime,
        feed: Feed | None = None,
    ) -> None:
        self.fleet = fleet
        self.journal = journal
        self.history = (
            LiveHistory(journal)
            if feed is None
            else LiveHistory(journal, Archive(feed.postgres), feed)
        )
        self.latest = LatestTable()
        self.telemetry_period_ms = round(limits.telemetry_period_s * 1000)
        self.gaps = GapLedger(
            fleet.assets,
            self.latest,
            journal,
            GapLimits.of_period(self.telemetry_period_ms, stale_after_us(self.telemetry_period_ms)),
            runtime,
        )
        self.desk = DispatchDesk(journal, runtime)
        self.sessions = Sessions(
            fleet,
            desk=self.desk,
            latest=self.latest,
            gaps=self.gaps,
            store=journal,
            limits=limits,
            runtime=runtime,
        )
        self.judge = Judge(
            journal,
            fleet,
            self.latest,
            self,
            runtime,
            telemetry_period_s=limits.telemetry_period_s,
        )
        self.keys = KeyKeeper(journal, self.desk.flush, runtime)
        self.sites = SiteDesk(
            self.desk,
            journal,
            fleet,
            self.latest,
            self.sessions.holder,
            runtime,
            telemetry_period_ms=self.telemetry_period_ms,
        )
        self.readiness = Readiness()
        self.readiness.add(lambda: journal_check(journal.statistics()))
        self.readiness.add(lambda: damage_check(journal.salvaged))
        self.metrics = Metrics()
        self.metrics.add(lambda: journal_metrics(journal.statistics()))
        self.metrics.add(lambda: session_metrics(self.sessions.statistics()))
        self.metrics.add(lambda: gap_metrics(self.gaps.statistics()))
        self.retention = Retention(journal, retention, runtime)
        self.metrics.add(lambda: retention_metrics(self.retention.statistics()))
        if feed is not None:
            self.readiness.add(lambda: feed_check(feed.statistics()))
            self.metrics.add(lambda: feed_metrics(feed.statistics()))
        self._runtime = runtime

    async def load(self) -> None:
        """Restores each asset's and agent's newest data from the journal.

        Sessions that a crash left open are ended first. Raises: JournalError.
        """
        await self.journal.close_lost_sessions(self._runtime.wall_us(), "headend ended")
        self.latest.fill(await self.journal.latest_samples())
        self.gaps.restore(await self.journal.unfinished_gaps(HOLES_KEPT))
        self.sessions.remember(
            await self.journal.last_sessions(), await self.journal.latest_heartbeats()
        )

    def backlog(self, asset_id: str) -> int | None:
        """Rows that the asset's agent has still to deliver; None if no agent holds it."""
        holders = (each for each in self.sessions.live if asset_id in each.granted)
        return next((session.outbox_rows for session in holders), None)

    # --- what REST needs ------------------------------------------------------------

    def wall_us(self) -> int:
        """Now, microseconds since the epoch, UTC."""
        return self._runtime.wall_us()

    def agents(self) -> Sequence[ConnectedAgent]:
        """The agents connected now."""
        return tuple(
            ConnectedAgent(
                id=session.record.agent_id,
                site_id=session.record.site_id,
                asset_ids=session.granted,
                session_id=session.session_id,
                connected_us=session.record.connected_us,
                last_seen_us=session.seen_us,
                peer=session.record.peer,
                software_version=session.record.software_version,
                clock_offset_us=session.clock_offset_us,
                outbox_rows=session.outbox_rows,
                duplicate_id=self.sessions.is_duplicate(session.record.agent_id),
            )
            for session in self.sessions.live
        )

    def holder(self, asset_id: str) -> str | None:
        """The agent connected now that holds the asset."""
        return self.sessions.holder(asset_id)

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that holds the asset, or held it last."""
        return self.sessions.last_holder(asset_id)

    def knows_agent(self, agent_id: str) -> bool:
        """Whether the agent is remembered to have had a session."""
        return self.sessions.knows_agent(agent_id)

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        """The agent's newest heartbeat."""
        return self.sessions.heartbeat(agent_id)

    def site_now(self, site_id: str) -> SiteNow:
        """The power of a site's assets now, and the power they could add."""
        return self.sites.now(site_id)

    def setpoint_mw(self, asset_id: str) -> float | None:
        """The dispatch in force, MW; None if there is none."""
        dispatch = self.desk.in_force(asset_id)
        return dispatch.mw if dispatch is not None else None

    async def order(self, order: AssetOrder, claim: KeyClaim | None = None) -> Dispatch:
        """Takes an order, and remembers its idempotency key.

        Raises: JournalError, TooManyOpen; then there is no dispatch.
        """
        dispatch_id = str(uuid4())
        now_us = self._runtime.wall_us()
        used = [] if claim is None else [claim.used("dispatch", dispatch_id, now_us)]
        (dispatch,) = await self.desk.order_all([(dispatch_id, order)], *used)
        if used:
            self.keys.count_one()
        return dispatch

    async def order_site(
        self, order: SiteOrder, claim: KeyClaim | None = None
    ) -> FoundGroup | DoesNotFit:
        """Splits an order over a site, and remembers its idempotency key.

        Raises: JournalError, TooManyOpen; then nothing was ordered.
        """
        found = await self.sites.order(order, claim)
        if claim is not None and not isinstance(found, DoesNotFit):
            self.keys.count_one()
        return found

    def preflight(self, order: AssetOrder) -> Preflight:
        """The expected outcome of an order to an asset."""
        return self.sites.preflight(order)

    def preflight_site(self, order: SiteOrder) -> SitePreflight:
        """The expected outcome of an order to a site."""
        return self.sites.preflight_site(order)

    async def verdict_so_far(self, dispatch: Dispatch) -> Verdict | None:
        """The verdict by the newest telemetry. Raises: JournalError."""
        return await self.judge.provisional(dispatch)

    async def cancel_group(self, group_id: str, reason: str) -> FoundGroup | None:
        """Withdraws the open dispatches of a group; None if there is no such group.

        Raises: NotOpen; JournalError, and then the caller may try again.
        """
        return await self.sites.cancel(group_id, reason)

    async def cancel(self, dispatch_id: str, reason: str) -> Dispatch:
        """Withdraws a dispatch. Raises: NotOpen; JournalError, and then the dispatch goes on."""
        return await self.desk.cancel(dispatch_id, reason)

    def failing(self) -> str | None:
        """Why no order can be stored now, a full disk for instance; None if one can."""
        return self.journal.statistics().failing_reason or None

    def held(self) -> str | None:
        """Why telemetry is not stored although orders are; None if it is."""
        return self.journal.statistics().held_reason

"""Wires the headend's parts together, and gives REST its view of them."""

from collections.abc import Iterator

from derhead.audit import AuditTrail, note_reload
from derhead.dispatch import INBOX_EVENTS, DispatchDesk, Judge, KeyKeeper, OrderTaking, SiteDesk
from derhead.gaps import HOLES_KEPT, GapLedger, GapLimits
from derhead.history import (
    Archive,
    ClaimKeeper,
    Feed,
    Journal,
    LevelPast,
    LiveHistory,
    Retention,
    RetentionLimits,
)
from derhead.observability import Census, Instruments
from derhead.service_levels import LevelKeeper, Objectives
from derhead.sessions import (
    HEADEND_ENDED,
    SETPOINTS_QUEUED,
    AgentIdentities,
    SessionLimits,
    Sessions,
    silence_after,
)
from derhead.shapes import ConnectedAgent
from derhead.telemetry import LatestTable, stale_after_us
from derproto.base.runtime import Runtime
from derproto.base.turns import look_in_turns
from derproto.configuration.fleet import Fleet
from derproto.configuration.fleet_changes import FleetChanges
from derproto.stdio.log_events import event_log
from derproto.stdio.logs import WAITING_BYTES, log_queue
from derproto.system.reloading import ReloadOutcome

log = event_log(__name__)


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
        claim: ClaimKeeper | None = None,
        identities: AgentIdentities | None = None,
        objectives: Objectives | None = None,
    ) -> None:
        self.fleet = fleet
        self.journal = journal
        self.objectives = objectives or Objectives()
        archive = None if feed is None else Archive(feed.postgres)
        self.history = LiveHistory(journal, archive, feed)
        self.latest = LatestTable()
        self.telemetry_period_ms = round(limits.telemetry_period_s * 1000)
        self.levels = LevelKeeper(
            fleet.assets, self.latest, journal, LevelPast(self.history), runtime
        )
        self.gaps = GapLedger(
            fleet.assets,
            self.latest,
            journal,
            GapLimits.of_period(self.telemetry_period_ms, stale_after_us(self.telemetry_period_ms)),
            runtime,
            self.levels.gaps_changed,
        )
        self.audit = AuditTrail(journal, runtime)
        self.desk = DispatchDesk(journal, runtime, self.levels.dispatch_changed)
        self.sessions = Sessions(
            fleet,
            desk=self.desk,
            latest=self.latest,
            gaps=self.gaps,
            store=journal,
            limits=limits,
            audit=self.audit,
            runtime=runtime,
            identities=identities,
            levels=self.levels,
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
        self.census = Census(
            fleet,
            self.latest,
            self.sessions,
            self.desk,
            runtime,
            telemetry_period_ms=self.telemetry_period_ms,
        )
        self.retention = Retention(journal, retention, runtime)
        self.instruments = Instruments()
        self.instruments.show_parts(
            journal,
            self.sessions,
            self.census,
            self.desk,
            self.gaps,
            self.retention,
            self.levels,
            self.objectives,
        )
        self._add_bounds(limits, retention)
        if feed is not None:
            self.instruments.show_feed(feed)
        if claim is not None:
            self.instruments.show_claim(claim)
        self.readiness = self.instruments.readiness
        self.metrics = self.instruments.metrics
        self.wall_us = runtime.wall_us
        # What REST asks of one part alone; the routes say what each means.
        self.holder = self.sessions.holder
        self.last_holder = self.sessions.last_holder
        self.knows_agent = self.sessions.knows_agent
        self.heartbeat = self.sessions.heartbeat
        self.site_now = self.sites.now
        self.preflight = self.sites.preflight
        self.preflight_site = self.sites.preflight_site
        self.verdict_so_far = self.judge.provisional
        orders = OrderTaking(self.desk, self.sites, self.keys, fleet, runtime)
        self.order = orders.order
        self.order_site = orders.order_site
        self.cancel = orders.cancel
        self.cancel_group = orders.cancel_group

    def _add_bounds(self, limits: SessionLimits, retention: RetentionLimits) -> None:
        add, journal = self.instruments.bounds.add, self.journal
        add("sessions", lambda: len(self.sessions.live), limits.max_sessions)
        add("session_queue", lambda: self.sessions.most_queued, SETPOINTS_QUEUED)
        add("desk_inputs", lambda: self.desk.waiting, INBOX_EVENTS)
        add("journal_rows", lambda: journal.statistics().buffered_rows, journal.buffer_rows)
        add("journal_bytes", lambda: self.retention.statistics().used_bytes, retention.max_bytes)
        add("log_bytes", lambda: log_queue().waiting_bytes, WAITING_BYTES)

    async def load(self) -> None:
        """Restores each asset's and agent's newest data from the journal.

        Sessions that a crash left open are ended first. Raises: JournalError.
        """
        await self.journal.close_lost_sessions(self.wall_us(), HEADEND_ENDED)
        self.latest.fill(await self.journal.latest_samples())
        last_sessions = await self.journal.last_sessions()
        silences = {
            asset_id: silence_after(record.end_reason)
            for record in sorted(last_sessions, key=lambda each: each.connected_us)
            for asset_id in record.asset_ids
        }
        self.gaps.restore(await self.journal.unfinished_gaps(HOLES_KEPT), silences)
        await self.levels.load()
        self.sessions.remember(last_sessions, await self.journal.latest_heartbeats())

    async def renew_fleet(self, new: Fleet, changes: FleetChanges) -> None:
        """Takes over a changed fleet: it holds from the next order and the next Register.

        Open dispatches of removed assets are cancelled.
        """
        joined = [asset.id for asset in changes.added]
        left: dict[str, str | None] = {asset.id: asset.site_id for asset in changes.removed}
        await look_in_turns(joined, self.gaps.add)
        await look_in_turns(joined, self.levels.add)
        self.fleet.become(new)
        self.desk.fleet_changed_nowait(joined, left)
        await self.sessions.renew_fleet(changes)
        await look_in_turns(left, self.gaps.drop)
        await look_in_turns(left, self.levels.drop)

    def drain_departed(self) -> None:
        """Cancels open dispatches whose assets left ``assets.yaml`` while the headend was down.

        Call it once the desk runs.
        """
        wanted = {dispatch.asset_id for dispatch in self.desk.open_dispatches()}
        departed = wanted - self.fleet.assets.keys()
        if departed:
            log.warning("assets with open dispatches left assets.yaml", assets=len(departed))
            self.desk.fleet_changed_nowait((), dict.fromkeys(departed))

    def note_reload(self, outcome: ReloadOutcome) -> None:
        """Notes in the audit trail what was reloaded, or why it was not."""
        note_reload(self.audit, outcome)

    def backlog(self, asset_id: str) -> int | None:
        """Rows that the asset's agent has still to deliver; None if no agent holds it."""
        holders = (each for each in self.sessions.live if asset_id in each.granted)
        return next((session.outbox_rows for session in holders), None)

    # --- what REST needs ------------------------------------------------------------

    def agents(self) -> Iterator[ConnectedAgent]:
        """The agents connected now, each as it is when it is taken."""
        return (
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
                certificate_end_us=session.certificate_end_us,
            )
            for session in self.sessions.live
        )

    def setpoint_mw(self, asset_id: str) -> float | None:
        """The dispatch in force, MW; None if there is none."""
        dispatch = self.desk.in_force(asset_id)
        return dispatch.mw if dispatch is not None else None

    def failing(self) -> str | None:
        """Why no order can be stored now, a full disk for instance; None if one can."""
        return self.journal.statistics().failing_reason or None

    def held(self) -> str | None:
        """Why telemetry is not stored although orders are; None if it is."""
        return self.journal.statistics().held_reason

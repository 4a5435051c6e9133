"""All sessions: admits each stream, and knows the connected agents and earlier ones."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import trio
from grpclib import GRPCError, Status
from structlog.contextvars import bind_contextvars

from derhead.audit import AuditTrail
from derhead.dispatch import DispatchDesk
from derhead.gaps import GapLedger
from derhead.sessions.admission.agent_identity import AgentIdentities, Proof
from derhead.sessions.admission.agent_memory import AgentMemory
from derhead.sessions.admission.directory import Admitted, Directory, Duplicate, describe_refusals
from derhead.sessions.admission.register import (
    Registration,
    canonical_uuid,
)
from derhead.sessions.reception import Reception, claim_of
from derhead.sessions.register_audit import RegisterAudit, TakenOver
from derhead.sessions.streams.acknowledger import Acknowledger
from derhead.sessions.streams.allowances import AgentAllowances, Metered
from derhead.sessions.streams.collaborators import (
    SessionContext,
    SessionLevels,
    TelemetryStore,
)
from derhead.sessions.streams.outgoing import SETPOINTS_QUEUED
from derhead.sessions.streams.queue_depths import QueueDepths
from derhead.sessions.streams.session import GOODBYE_S, Session
from derhead.sessions.streams.session_meter import Excess
from derhead.sessions.terms.ends import (
    DRAINING,
    DUPLICATE,
    END_REASONS,
    FLEET_CHANGED,
    INTERNAL_ERROR,
    SILENCED,
    SUPERSEDED,
    End,
    no_asset,
)
from derhead.sessions.terms.refusals import RegisterRefused, StreamRefusal
from derhead.sessions.terms.session_limits import SessionLimits
from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord
from derhead.telemetry import LatestTable
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Fleet
from derproto.configuration.fleet_changes import FleetChanges
from derproto.der.v1 import (
    Goodbye,
    GoodbyeReason,
    HeadendMessage,
    RefusalReason,
)
from derproto.stdio.log_events import event_log
from derproto.triogrpc import ServerStream

log = event_log(__name__)

SILENT_PERIODS = 3
"""Silent telemetry periods after which another agent may claim an agent's assets. The
session ends anyway at the silence limit, if that is sooner."""


CLAIMS_A_TURN = 200
"""Claims of sessions to judge anew before other tasks have their turn: some 0.3 ms."""


_UNTOLD = (StreamRefusal.NO_REGISTER, StreamRefusal.SLOWED, StreamRefusal.BUSY)


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """Counters since the start, and the number of open sessions."""

    open: int
    opened: int
    refused: Mapping[str, int]
    """Streams that ended before Welcome, by reason."""
    ended: Mapping[str, int]
    """Sessions that ended, by reason."""
    excess: Mapping[str, int] = field(default_factory=dict)
    """Messages and rows of telemetry beyond an agent's allowance, by kind."""
    refused_rows: Mapping[str, int] = field(default_factory=dict)
    """Rows of telemetry that the headend refused, by reason."""
    waiting: int = 0
    """Agents that wait for their turn to register."""


class Sessions:
    """Admits agents, runs their sessions, and remembers each agent's newest heartbeat."""

    def __init__(
        self,
        fleet: Fleet,
        *,
        desk: DispatchDesk,
        latest: LatestTable,
        gaps: GapLedger,
        store: TelemetryStore,
        limits: SessionLimits,
        audit: AuditTrail,
        runtime: Runtime,
        identities: AgentIdentities | None = None,
        levels: SessionLevels | None = None,
    ) -> None:
        self._fleet = fleet
        self._wall_us = runtime.wall_us
        self._identities = identities or AgentIdentities()
        self._audit = RegisterAudit(audit, fleet)
        self._desk = desk
        self._gaps = gaps
        self._levels = levels
        self._store = store
        self._limits = limits
        self._acknowledger = Acknowledger()
        self._memory = AgentMemory(limits.max_sessions)
        self._excess = Excess()
        self._depths = QueueDepths(SETPOINTS_QUEUED)
        self._allowances = AgentAllowances(limits.heartbeat_period_s)
        self._reception = Reception(
            limits, self._identities, self._allowances, self._excess, runtime.wall_us
        )
        self._context = SessionContext(
            desk=desk,
            latest=latest,
            gaps=gaps,
            store=store,
            limits=limits,
            runtime=runtime,
            acknowledger=self._acknowledger,
            allowances=self._allowances,
            excess=self._excess,
            depths=self._depths,
            on_heartbeat=self._memory.take_heartbeat,
        )
        self._directory = Directory(fleet, silent_after_s=_silent_after_s(limits))
        self._live: dict[str, Session] = {}
        self._draining = False
        self._opened = 0
        self._refused = Counter[StreamRefusal]()
        self._ended = Counter[str]()

    def remember(
        self, sessions: Iterable[SessionRecord], heartbeats: Iterable[HeartbeatRecord]
    ) -> None:
        """Restores each agent's last session and heartbeat from the journal, at the start."""
        oldest_first = sorted(sessions, key=lambda record: record.connected_us)
        self._memory.restore(oldest_first, heartbeats)
        self._identities.restore((record.agent_id, record.proof) for record in oldest_first)

    # --- what is there --------------------------------------------------------------

    @property
    def live(self) -> Sequence[Session]:
        """Sessions that were welcomed and have not ended, in the order of their Registers."""
        return tuple(self._live.values())

    def holder(self, asset_id: str) -> str | None:
        """The live agent that holds the asset."""
        return self._directory.holder(asset_id)

    def last_holder(self, asset_id: str) -> str | None:
        """The agent that holds the asset, or held it last."""
        return self._memory.last_holder(asset_id)

    def knows_agent(self, agent_id: str) -> bool:
        """Whether the agent is remembered to have had a session."""
        return self._memory.knows(agent_id)

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        """The agent's newest heartbeat."""
        return self._memory.heartbeat(agent_id)

    def is_duplicate(self, agent_id: str) -> bool:
        """Whether several agents seem to use this id."""
        return self._directory.is_duplicate(agent_id, trio.current_time())

    @property
    def most_queued(self) -> int:
        """The setpoints and cancels that wait for the stream of one agent, where most wait."""
        return self._depths.worst

    def statistics(self) -> SessionStatistics:
        return SessionStatistics(
            open=len(self._live),
            opened=self._opened,
            refused={reason.value: self._refused[reason] for reason in StreamRefusal},
            ended={reason: self._ended[reason] for reason in END_REASONS},
            excess={kind.value: self._excess.messages[kind] for kind in Metered},
            refused_rows={
                reason.name.lower(): self._excess.refused_rows[reason]
                for reason in (RefusalReason.ASSET_REFUSED, RefusalReason.TIME_OUT_OF_RANGE)
            },
            waiting=self._reception.waiting,
        )

    async def renew_fleet(self, changes: FleetChanges) -> None:
        """Ends each session whose claims the changed fleet judges otherwise; its agent registers
        again at once. Every other session takes over what changed of its assets."""
        looked = 0
        for session in self.live:
            claimed = changes.claims.intersection(map(canonical_uuid, session.claims))
            if claimed:
                session.end(FLEET_CHANGED)
            elif changes.changed:
                session.renew_assets(self._fleet)
            looked += len(session.claims)
            if looked >= CLAIMS_A_TURN:
                looked = 0
                await trio.lowlevel.checkpoint()

    async def run(self) -> None:
        """Sends the acknowledgements of all sessions until cancelled."""
        await self._acknowledger.run()

    # --- a stream's life ------------------------------------------------------------

    async def serve(self, stream: ServerStream) -> None:
        """Serves one stream from its first message to its status.

        Raises: GRPCError with the status, if it is not OK.
        """
        refusal: StreamRefusal | None = StreamRefusal.CONNECTION_LOST
        detail: str | None = "the stream ended"
        bind_contextvars(peer=stream.peer)
        try:
            arrival = await self._reception.receive(stream)
            registration, shown, proof = arrival.registration, arrival.shown, arrival.proof
            session = await self._admit(stream, registration, proof)
            refusal = session if isinstance(session, StreamRefusal) else None
        except RegisterRefused as refused:
            refusal, detail = refused.refusal, refused.message
            # Whoever is slowed, or waits for its turn, must fill neither log nor audit trail.
            if refusal not in _UNTOLD:
                self._audit.refused(stream.peer, refusal, refused.message, refused.claim)
            if refused.goodbye is not None:
                await _send_away(stream, refused.goodbye)
            raise
        except GRPCError as unreadable:
            # The link could not decode the message.
            refusal = StreamRefusal.INVALID_REGISTER
            self._audit.refused(stream.peer, refusal, unreadable.message, None)
            raise
        finally:
            if refusal is not None:
                self._refused[refusal] += 1
            if refusal in (StreamRefusal.NO_REGISTER, StreamRefusal.CONNECTION_LOST):
                # Whoever sent no Register is nobody for the audit trail.
                log.warning("stream ended before it registered", cause=refusal.value, reason=detail)
        if isinstance(session, StreamRefusal):
            return
        stream.admit()
        self._identities.note(registration.agent_id, proof)
        if proof in (Proof.TOKEN, Proof.ANY_AGENTS_TOKEN):
            session.is_admitted = lambda: self._identities.still_good(shown, self._wall_us())
        self._live[session.session_id] = session
        self._opened += 1
        self._store.note(session.record)
        self._desk.session_opened_nowait(session, arrival.reports)
        self._gaps.session_began(
            session, session.granted, registration.agent_id, registration.boot_id
        )
        if self._levels is not None:
            self._levels.session_began(session, session.granted)
        bind_contextvars(session=session.session_id)
        log.info(
            "agent connected",
            assets=len(session.granted),
            version=registration.software_version,
            clock_offset_s=round(session.clock_offset_us / 1e6, 3),
        )
        try:
            await session.run()
        finally:
            del self._live[session.session_id]
            self._ended[session.record.end_reason or INTERNAL_ERROR.reason] += 1
            self._directory.release(session.session_id)
            self._desk.session_ended_nowait(session.session_id)
            self._store.note(session.record)
            self._gaps.session_ended(session, session.granted, session.silence)
            if self._levels is not None:
                self._levels.session_ended(session, session.granted)
            say = log.warning if session.is_breach else log.info
            say("agent disconnected", reason=session.record.end_reason, detail=session.end_detail)

    def drain(self) -> None:
        """Ends every session with Goodbye(draining), and every later one as well."""
        self._draining = True
        for session in self.live:
            session.end(DRAINING)

    async def _admit(
        self, stream: ServerStream, registration: Registration, proof: Proof
    ) -> Session | StreamRefusal:
        """The new session, entered in the directory; a refusal if the agent got a Goodbye."""
        claim = claim_of(registration, proof)
        if self._draining:
            await _send_away(stream, DRAINING)
            return StreamRefusal.DRAINING
        if len(self._live) >= self._limits.max_sessions and not self._clear_place():
            raise RegisterRefused(
                StreamRefusal.FULL,
                Status.RESOURCE_EXHAUSTED,
                f"{self._limits.max_sessions} sessions are open",
                claim,
            )
        session_id = str(uuid4())
        match self._directory.admit(registration, session_id, trio.current_time()):
            case Duplicate(other):
                refusal = StreamRefusal.DUPLICATE_ID
                self._audit.refused(stream.peer, refusal, DUPLICATE.detail, claim)
                self._end(other, DUPLICATE)
                await _send_away(stream, DUPLICATE)
                return refusal
            case Admitted(live, superseded, silenced):
                granted = tuple(live.granted.values())
                for lost in silenced if superseded is None else (superseded, *silenced):
                    if lost in self._live:
                        before = self._live[lost].record
                        after = TakenOver(claim, registration.boot_id, session_id, granted)
                        self._audit.took_over(stream.peer, after, before)
                    self._end(lost, SUPERSEDED if lost == superseded else SILENCED)
        refusals = describe_refusals(live.grants)
        if refusals is not None:
            self._audit.assets_refused(stream.peer, claim, refusals, granted)
        site_id = registration.site_id
        if site_id is not None and site_id not in self._fleet.sites:
            log.warning(
                "register.site_id is not in the fleet; each asset is judged by itself", site=site_id
            )
        self._memory.register(registration.agent_id, live.granted.values())
        return Session(
            stream,
            live,
            registration,
            str(proof) if proof else None,
            {index: self._fleet.assets[asset] for index, asset in live.granted.items()},
            self._context,
        )

    def _clear_place(self) -> bool:
        """Ends the oldest session that holds no asset; False if each holds one."""
        for session in self._live.values():
            if not session.granted and not session.is_ending:
                session.end(no_asset(self._limits.max_sessions))
                return True
        return False

    def _end(self, session_id: str, end: End) -> None:
        session = self._live.get(session_id)
        if session is not None:
            session.end(end)


def _silent_after_s(limits: SessionLimits) -> float:
    unheard_s = max(limits.silence_s / 3, limits.telemetry_period_s * SILENT_PERIODS)
    return min(limits.silence_s, unheard_s)


async def _send_away(stream: ServerStream, end: End) -> None:
    """Sends Goodbye instead of Welcome."""
    goodbye = Goodbye(
        reason=end.goodbye or GoodbyeReason.UNSPECIFIED,
        detail=end.detail,
        reconnect_after_ms=end.reconnect_after_ms,
    )
    with trio.move_on_after(GOODBYE_S):
        await stream.send_message(HeadendMessage(goodbye=goodbye))

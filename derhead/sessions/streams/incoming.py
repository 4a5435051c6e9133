"""The receiving half of a session.

``take_message`` runs in the task that reads the connection. If a message has to wait, for room in
the journal for instance, the session's own task awaits the rest. Meanwhile flow control holds back
the agent.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

import trio

from derhead.dispatch import read_report
from derhead.gaps import GapRecord, read_gap_report
from derhead.sessions.admission.directory import LiveSession
from derhead.sessions.admission.register import Registration, canonical_uuid
from derhead.sessions.streams.acks import PendingAcks
from derhead.sessions.streams.allowances import Metered, rows_s
from derhead.sessions.streams.collaborators import SessionContext
from derhead.sessions.streams.session_meter import SessionMeter
from derhead.sessions.terms.ends import UNREAD_ACKS, End, protocol_error
from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord
from derhead.telemetry import (
    CLOCK_SKEW_US,
    Broken,
    RefusedRows,
    Sample,
    offer_block,
    read_rows,
)
from derproto.codec import TelemetryColumns
from derproto.configuration.fleet import Asset
from derproto.der.v1 import (
    AgentMessage,
    DispatchReport,
    GapReport,
    GrantResult,
    Health,
    Heartbeat,
)
from derproto.stdio.log_events import event_log
from derproto.triogrpc import Deferred, ServerStream

T = TypeVar("T")

log = event_log(__name__)

GAP_OF_REFUSED = "gap_report.asset_index: this agent was refused the asset"
REPORT_OF_REFUSED = "dispatch_report.asset_index: this agent was refused the asset"


class ReceivingSession(Protocol):
    """The session, as its receiving half sees it."""

    @property
    def is_ending(self) -> bool: ...

    def end(self, end: End) -> None: ...

    def acknowledge_nowait(self) -> None: ...

    def record_so_far(self) -> SessionRecord: ...


class Incoming:
    """Takes the messages of one agent, and counts them."""

    def __init__(
        self,
        stream: ServerStream,
        live: LiveSession,
        session: ReceivingSession,
        registration: Registration,
        assets: dict[int, Asset],
        acks: PendingAcks,
        context: SessionContext,
    ) -> None:
        self._stream = stream
        self._live = live
        self._session = session
        self._agent_id = registration.agent_id
        self._skewed = False
        self._assets = assets
        self._claims = registration.asset_ids
        self._claimed = len(registration.asset_ids)
        self._acks = acks
        self._desk = context.desk
        self._slots = {index: context.latest.slot(asset.id) for index, asset in assets.items()}
        self._gaps = context.gaps
        self._store = context.store
        self._limits = context.limits
        self._acknowledger = context.acknowledger
        self._wall_us = context.runtime.wall_us
        self._on_heartbeat = context.on_heartbeat
        now = trio.current_time()
        allowances = context.allowances.of(self._agent_id, now)
        rate_s = rows_s(len(assets), context.limits.telemetry_period_s)
        allowances[Metered.ROW].set_rate(rate_s, now)
        self._meter = SessionMeter(self._agent_id, allowances, context.excess)
        self.seen_us = self._wall_us()
        """When the last message arrived, microseconds since the epoch."""
        self.clock_offset_us = registration.clock_us - self.seen_us
        """The agent's clock minus the headend's, by the newest Register or Heartbeat."""
        self._tell_of_clock()
        self.outbox_rows = registration.outbox_rows
        self.messages = 1
        self.samples = 0
        self.ignored = 0
        """Messages without use: unknown kinds, repeated Registers, unreadable reports."""

    @property
    def _who(self) -> dict[str, str]:
        """Keys of log lines: the connection's reader, which runs this code, has none bound."""
        return {"agent": self._agent_id, "session": self._live.session_id}

    def take_message(self, message: AgentMessage | TelemetryColumns) -> Deferred | None:
        """Takes one message, in the task that reads the connection.

        Returns the rest of the work if it has to wait. The session's own task awaits it, and the
        stream stands still until then.
        """
        if self._session.is_ending:
            return None
        self._live.heard_at = trio.current_time()
        self.seen_us = self._wall_us()
        self.messages += 1
        if isinstance(message, TelemetryColumns):
            # Table and journal keep the columns, and their bounds count rows only.
            message.drop_unknown()
            rows = len(message.asset_index)
            wait_s = self._meter.telemetry_wait_s(message.boot_id, rows, self._live.heard_at)
            return self._take(wait_s, self._take_telemetry, message)
        if message.heartbeat is not None:
            self._take_heartbeat(message.heartbeat)
        elif message.dispatch_report is not None:
            wait_s = self._meter.wait_s(Metered.DISPATCH_REPORT, self._live.heard_at)
            return self._take(wait_s, self._take_report, message.dispatch_report)
        elif message.gap_report is not None:
            wait_s = self._meter.wait_s(Metered.GAP_REPORT, self._live.heard_at)
            return self._take(wait_s, self._take_gap, message.gap_report)
        else:
            self.ignored += 1
        return None

    def _take(
        self, wait_s: float, take: Callable[[T], Deferred | None], message: T
    ) -> Deferred | None:
        """Takes the message, or holds back an agent that has used up its allowance."""
        if not wait_s:
            return take(message)

        async def wait_and_take() -> None:
            await trio.sleep(wait_s)
            rest = take(message)
            if rest is not None:
                await rest()

        return partial(self._hold_up, wait_and_take)

    def _take_telemetry(self, telemetry: TelemetryColumns) -> Deferred | None:
        rows = read_rows(
            telemetry,
            agent_id=self._agent_id,
            granted=self._assets,
            claimed=self._claimed,
            max_rows=self._limits.max_rows,
            received_us=self.seen_us,
            setpoints_mw=self._desk.setpoints_mw,
        )
        if isinstance(rows, Broken):
            self._session.end(protocol_error(rows.detail))
            return None
        offer_block(self._slots, rows.samples)
        gaps = self._gaps.take() if self._gaps.changed else ()
        self.samples += len(rows.samples)
        boot_id = telemetry.boot_id
        if rows.refused:
            self._meter.note_refused(rows.refused)
            self._acknowledge(boot_id, (), rows.refused)
        if not rows.samples:
            return None
        on_durable = partial(self._acknowledge, boot_id, rows.taken)
        return self._append(rows.samples, on_durable, gaps)

    def _append(
        self,
        samples: Sequence[Sample],
        on_durable: Callable[[], None],
        gaps: Sequence[GapRecord],
    ) -> Deferred | None:
        if self._store.append_telemetry_nowait(samples, on_durable, gaps):
            return None
        return partial(self._hold_up, self._store.append_telemetry, samples, on_durable, gaps)

    async def _hold_up(self, work: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Awaits work that holds up the agent. The wait does not count as the agent's silence."""
        self._live.held_up = True
        await work(*arguments)
        self._live.heard_at, self._live.held_up = trio.current_time(), False

    def _acknowledge(
        self,
        boot_id: int,
        taken: Sequence[tuple[int, int]],
        refused: Sequence[RefusedRows] = (),
    ) -> None:
        self._acks.add(boot_id, taken, refused)
        if self._acks.too_many:
            self._session.end(UNREAD_ACKS)
        self._acknowledger.add(self._session)

    def _take_gap(self, report: GapReport) -> Deferred | None:
        """Stores a gap report, and acknowledges it once it is durable.

        A useless report is acknowledged as well: otherwise the agent would repeat it for ever.
        """
        if report.asset_index >= self._claimed:
            self._end_unassigned("gap_report", report.asset_index)
            return None
        on_durable = partial(self._acknowledge_gap, report.boot_id, report.number, report.revision)
        asset_id = self._asset_told_of(report.asset_index)
        reported = read_gap_report(report, self._agent_id, self.seen_us)
        if asset_id is None or isinstance(reported, str):
            self.ignored += 1
            why = reported if asset_id else GAP_OF_REFUSED
            log.warning("gap report ignored", **self._who, reason=why)
            on_durable()
            return None
        return self._append((), on_durable, self._gaps.take_report(asset_id, reported))

    def _asset_told_of(self, index: int) -> str | None:
        """The asset, if the agent may report its gaps: its own, or one that another agent holds."""
        if self._live.grants[index].result is GrantResult.ASSET_HELD:
            return canonical_uuid(self._claims[index])
        return self._live.granted.get(index)

    def _acknowledge_gap(self, boot_id: int, number: int, revision: int) -> None:
        self._acks.add_gap(boot_id, number, revision)
        self._acknowledger.add(self._session)

    def _take_heartbeat(self, heartbeat: Heartbeat) -> None:
        outbox = heartbeat.outbox
        self.clock_offset_us = heartbeat.ts_us - self.seen_us
        self._tell_of_clock()
        self.outbox_rows = outbox.rows if outbox is not None else 0
        devices: dict[str, str] = {}
        for device in heartbeat.devices:
            if device.asset_index >= self._claimed:
                self._end_unassigned("heartbeat.devices", device.asset_index)
                return
            asset = self._assets.get(device.asset_index)
            if asset is not None:
                devices[asset.id] = _health(device.health)
        record = HeartbeatRecord(
            agent_id=self._agent_id,
            ts_us=heartbeat.ts_us,
            received_us=self.seen_us,
            uptime_ms=heartbeat.uptime_ms,
            outbox_rows=self.outbox_rows,
            dropped_rows=outbox.dropped_rows if outbox is not None else 0,
            devices=tuple(devices.items()),
        )
        self._on_heartbeat(record)
        if not self._meter.admits(Metered.HEARTBEAT, self._live.heard_at):
            return
        # The journal notes how far the session is, in case the headend is killed.
        self._store.note(self._session.record_so_far())
        self._store.note(record)

    def _tell_of_clock(self) -> None:
        """Logs that the agent's clock is off, or right again: once each time."""
        skewed = abs(self.clock_offset_us) > CLOCK_SKEW_US
        if skewed is self._skewed:
            return
        self._skewed = skewed
        offset_s = round(self.clock_offset_us / 1e6, 1)
        if skewed:
            log.warning(
                "agent's clock is off: its samples are flagged clock_skew",
                **self._who,
                clock_offset_s=offset_s,
            )
        else:
            log.info("agent's clock is right again", **self._who, clock_offset_s=offset_s)

    def _take_report(self, report: DispatchReport) -> Deferred | None:
        if report.asset_index >= self._claimed:
            self._end_unassigned("dispatch_report", report.asset_index)
            return None
        asset = self._assets.get(report.asset_index)
        read = read_report(report)
        if asset is None or isinstance(read, str):
            self.ignored += 1
            why = read if asset else REPORT_OF_REFUSED
            log.warning("dispatch report ignored", **self._who, reason=why)
            return None
        dispatch_id, reported = read
        if self._desk.report_nowait(asset.id, dispatch_id, reported):
            self._stream.give_way()
            return None
        return partial(self._hold_up, self._desk.report, asset.id, dispatch_id, reported)

    def _end_unassigned(self, where: str, index: int) -> None:
        self._session.end(
            protocol_error(
                f"{where}.asset_index: {index} was never assigned; 0 to {self._claimed - 1} were"
            )
        )


_HEALTH = {Health.OK: "ok", Health.DEGRADED: "degraded", Health.UNREACHABLE: "unreachable"}


def _health(health: Health) -> str:
    return _HEALTH.get(health, "unknown")

"""One agent's stream: a nursery that receives, sends, keeps alive and watches for silence.

It dies alone, for any reason, and leaves nothing behind: whoever ends a session calls
``end`` with the reason, the nursery is cancelled, and what remains is said in one place,
``run``'s last lines.

Task tree::

    run
    ├ take_message       called as messages come, by the task that reads the connection; what
    │                    has to wait, for room in the journal say, is awaited in the nursery's
    │                    own task, and with it, through flow control, the agent
    ├ send_queued        takes intents from the session's bounded channel (``outgoing.py``)
    └ keep_time          Alive, whatever journal and database do; ends a session that says
                         nothing, or that reads nothing
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

import trio
from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from derhead.dispatch import read_report
from derhead.gaps import GapRecord, HoleCause, read_gap_report
from derhead.sessions.acknowledger import Acknowledger
from derhead.sessions.allowances import Allowances, Excess
from derhead.sessions.directory import Entry
from derhead.sessions.ends import (
    BROKEN_MESSAGE,
    CLOSED_BY_AGENT,
    CONNECTION_LOST,
    INTERNAL_ERROR,
    SLOW_READER,
    UNREAD_ACKS,
    End,
    protocol_error,
    silent,
)
from derhead.sessions.limits import SessionLimits
from derhead.sessions.needs import Gaps, Reports, TelemetryStore
from derhead.sessions.outgoing import Outgoing
from derhead.sessions.records import HeartbeatRecord, SessionRecord
from derhead.sessions.register import Registration, canonical_uuid
from derhead.telemetry import (
    Broken,
    Columns,
    LatestTable,
    RefusedRows,
    Sample,
    offer_block,
    read_rows,
)
from derproto.base.fleet import Asset
from derproto.base.runtime import Runtime, shielded_for
from derproto.codec import TelemetryColumns
from derproto.der.v1 import (
    AgentMessage,
    DispatchReport,
    GapReport,
    Goodbye,
    GrantResult,
    HeadendMessage,
    Health,
    Heartbeat,
    Welcome,
)
from derproto.triogrpc import Deferred, ServerStream

log = logging.getLogger(__name__)

GOODBYE_S = 2.0
"""How long an ending session tries to say so."""

TOO_MANY_GAPS = "%s sends too many gap reports: it is held back"
TOO_MANY_REPORTS = "%s sends too many dispatch reports: it is held back"
TOO_MANY_HEARTBEATS = "%s sends too many heartbeats: only the newest is kept"


class Session:
    """A registered agent's session, from Welcome to its end."""

    def __init__(
        self,
        stream: ServerStream,
        entry: Entry,
        registration: Registration,
        assets: dict[int, Asset],
        *,
        desk: Reports,
        latest: LatestTable,
        gaps: Gaps,
        store: TelemetryStore,
        limits: SessionLimits,
        acknowledger: Acknowledger,
        runtime: Runtime,
        on_heartbeat: Callable[[HeartbeatRecord], None],
        excess: Excess,
    ) -> None:
        self._stream = stream
        self._entry = entry
        self._assets = assets
        self._claims = registration.asset_ids
        self._claimed = len(registration.asset_ids)
        self._desk = desk
        self._slots = {index: latest.slot(asset.id) for index, asset in assets.items()}
        self._gaps = gaps
        self._store = store
        self._limits = limits
        self._wall_us = runtime.wall_us
        self._on_heartbeat = on_heartbeat
        self._excess = excess
        self._allowances = Allowances.from_now(trio.current_time(), limits.heartbeat_period_s)
        self._scope = trio.CancelScope()
        self._end: End | None = None
        self._acknowledger = acknowledger
        self.outgoing = Outgoing(stream, entry, self, registration.asset_ids, desk, runtime)
        now_us = self._wall_us()
        self.record = SessionRecord(
            session_id=entry.session_id,
            agent_id=registration.agent_id,
            site_id=registration.site_id,
            asset_ids=tuple(entry.granted.values()),
            connected_us=now_us,
            peer=stream.peer,
            software_version=registration.software_version,
            boot_id=registration.boot_id,
            clock_offset_us=registration.clock_us - now_us,
        )
        self.seen_us = now_us
        """When its last message came, microseconds since the epoch."""
        self.clock_offset_us = registration.clock_us - now_us
        """The agent's clock minus the headend's, as of its last word on it."""
        self.outbox_rows = registration.outbox_rows
        self.messages = 1
        self.samples = 0
        self.ignored = 0
        """Messages of no use: unknown kinds, repeated Registers, unreadable reports."""

    @property
    def session_id(self) -> str:
        return self._entry.session_id

    @property
    def granted(self) -> tuple[str, ...]:
        return self.record.asset_ids

    @property
    def is_ending(self) -> bool:
        """Whether ``end`` was called."""
        return self._end is not None

    def end(self, end: End) -> None:
        """Ends the session; the first reason given stands."""
        if self._end is None:
            self._end = end
            self.outgoing.stop()
        self._scope.cancel()

    def acknowledge_nowait(self) -> None:
        """Says what is to be acknowledged. Raises: StreamTerminatedError."""
        self.outgoing.acknowledge_nowait()

    # --- what the desk sees of it ---------------------------------------------------

    @property
    def setpoint_room(self) -> int:
        """How many more setpoints and cancels it takes now."""
        return self.outgoing.room

    def ask_for_room_nowait(self) -> None:
        """The desk has more to send: it is told as soon as half of the room is free."""
        self.outgoing.ask_for_room_nowait()

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        """Queues a setpoint for the stream; the desk has looked at ``setpoint_room``."""
        self.outgoing.queue_setpoint(dispatch_id)

    def send_cancel_nowait(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        """Queues a Cancel for the stream; of an asset that was claimed, if perhaps refused."""
        self.outgoing.queue_cancel(dispatch_id, asset_id, reason)

    async def run(self) -> None:
        """Welcomes the agent and serves it until the session's end.

        Raises: GRPCError with the status that the stream ends with, if not OK.
        Cancellation: the stream is gone; the session ends as "connection lost".
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keep_time)
                    await self._welcome()
                    nursery.start_soon(self.outgoing.send_queued)
                    await self._stream.deliver(self._take_message)
                    self.end(CLOSED_BY_AGENT)
            end = self._end or INTERNAL_ERROR
            await self._say_goodbye(end)
        except trio.Cancelled:
            self._end = self._end or CONNECTION_LOST
            raise
        except (StreamTerminatedError, GRPCError, BaseExceptionGroup) as error:
            self._end = self._end or _end_of(error)
            raise
        finally:
            self.outgoing.close()
            self.record = self.ended_record()
        if end.status is not Status.OK:
            raise GRPCError(end.status, end.detail)

    @property
    def silence(self) -> HoleCause:
        """What keeps its assets from being heard, once it has ended."""
        return (self._end or INTERNAL_ERROR).silence

    def ended_record(self) -> SessionRecord:
        """The session's record as of now, with its end if it has one."""
        return replace(
            self.record,
            ended_us=self._wall_us(),
            end_reason=(self._end or INTERNAL_ERROR).reason,
            messages=self.messages,
            samples=self.samples,
        )

    # --- out ------------------------------------------------------------------------

    async def _welcome(self) -> None:
        self.outgoing.begin()
        limits = self._limits
        welcome = Welcome(
            session_id=self.session_id,
            telemetry_period_ms=round(limits.telemetry_period_s * 1000),
            heartbeat_period_ms=round(limits.heartbeat_period_s * 1000),
            alive_period_ms=round(limits.alive_period_s * 1000),
            agent_silence_limit_ms=round(limits.silence_s * 1000),
            headend_silence_limit_ms=round(limits.alive_period_s * 3000),
            clock_us=self._wall_us(),
            assets=list(self._entry.grants),
            max_rows_per_message=limits.max_rows,
        )
        await self._stream.send_message(HeadendMessage(welcome=welcome))

    async def _keep_time(self) -> None:
        """Alive, whatever journal and database do, and an end to who says nothing.

        One task for both: of what a session weighs, tasks are the most.
        """
        alive_at = trio.current_time() + self._limits.alive_period_s
        while True:
            await trio.sleep_until(min(alive_at, self._entry.heard_at + self._limits.silence_s))
            # If it was the loop that was late, what the agent said is there to be read first.
            await self._stream.wait_read()
            if trio.current_time() >= alive_at:
                alive_at += self._limits.alive_period_s
                if not self.outgoing.say_alive_nowait():
                    # The last one is still waiting, for a whole period.
                    self.end(SLOW_READER)
            self._end_if_silent()

    def _end_if_silent(self) -> None:
        now, limit_s = trio.current_time(), self._limits.silence_s
        if now < self._entry.heard_at + limit_s:
            return
        if self._entry.held_up:
            # Not the agent's silence: the journal holds up its reader.
            self._entry.heard_at = now
            return
        self.end(silent(limit_s))

    async def _say_goodbye(self, end: End) -> None:
        if end.goodbye is None:
            return
        goodbye = Goodbye(
            reason=end.goodbye, detail=end.detail, reconnect_after_ms=end.reconnect_after_ms
        )
        with shielded_for(GOODBYE_S):
            try:
                await self._stream.send_message(HeadendMessage(goodbye=goodbye))
            except StreamTerminatedError:
                log.debug("%s was gone before its goodbye", self.record.agent_id)

    # --- in -------------------------------------------------------------------------

    def _take_message(self, message: AgentMessage | TelemetryColumns) -> Deferred | None:
        """Takes a message as it comes, in the task that reads the connection.

        What cannot be done in place is returned, and awaited in the session's own task
        while the stream stands still.
        """
        if self._end is not None:
            return None
        self._entry.heard_at = trio.current_time()
        self.seen_us = self._wall_us()
        self.messages += 1
        if isinstance(message, TelemetryColumns):
            # Table and journal hold on to the columns, and their bounds count rows.
            message.drop_unknown()
            return self._take_telemetry(message)
        if message.heartbeat is not None:
            self._take_heartbeat(message.heartbeat)
        elif message.dispatch_report is not None:
            wait_s = self._allowances.dispatch_reports.take(self._entry.heard_at)
            if wait_s:
                self._excess.dispatch_reports += 1
                return self._take_later(
                    wait_s, TOO_MANY_REPORTS, partial(self._take_report, message.dispatch_report)
                )
            return self._take_report(message.dispatch_report)
        elif message.gap_report is not None:
            wait_s = self._allowances.gap_reports.take(self._entry.heard_at)
            if wait_s:
                self._excess.gap_reports += 1
                return self._take_later(
                    wait_s, TOO_MANY_GAPS, partial(self._take_gap, message.gap_report)
                )
            return self._take_gap(message.gap_report)
        else:
            self.ignored += 1
        return None

    def _take_telemetry(self, telemetry: Columns) -> Deferred | None:
        rows = read_rows(
            telemetry,
            agent_id=self.record.agent_id,
            granted=self._assets,
            claimed=self._claimed,
            max_rows=self._limits.max_rows,
            received_us=self.seen_us,
            setpoints_mw=self._desk.setpoints_mw,
        )
        if isinstance(rows, Broken):
            self.end(protocol_error(rows.detail))
            return None
        offer_block(self._slots, rows.samples)
        gaps = self._gaps.take() if self._gaps.changed else ()
        self.samples += len(rows.samples)
        boot_id = telemetry.boot_id
        if rows.refused:
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
        """Awaits what holds up the agent: that is not the agent's silence."""
        self._entry.held_up = True
        await work(*arguments)
        self._entry.heard_at, self._entry.held_up = trio.current_time(), False

    def _take_later(
        self, wait_s: float, line: str, take: Callable[[], Deferred | None]
    ) -> Deferred:
        """Holds back an agent that sends more than its allowance."""
        self._tell_excess(line)

        async def wait_and_take() -> None:
            await trio.sleep(wait_s)
            rest = take()
            if rest is not None:
                await rest()

        return partial(self._hold_up, wait_and_take)

    def _tell_excess(self, line: str) -> None:
        """Logs ``line`` once a session."""
        if line not in self._allowances.told:
            self._allowances.told.add(line)
            log.warning(line, self.record.agent_id)

    def _acknowledge(
        self,
        boot_id: int,
        taken: Sequence[tuple[int, int]],
        refused: Sequence[RefusedRows] = (),
    ) -> None:
        self.outgoing.acks.add(boot_id, taken, refused)
        if self.outgoing.acks.too_many:
            self.end(UNREAD_ACKS)
        self._acknowledger.add(self)

    def _take_gap(self, report: GapReport) -> Deferred | None:
        """Keeps what the agent tells of a gap, and says so once it is durable.

        One that is of no use is acknowledged too: it would come again for ever.
        """
        if report.asset_index >= self._claimed:
            self._end_unassigned("gap_report", report.asset_index)
            return None
        on_durable = partial(self._acknowledge_gap, report.boot_id, report.number, report.revision)
        asset_id = self._asset_told_of(report.asset_index)
        reported = read_gap_report(report, self.record.agent_id)
        if asset_id is None or isinstance(reported, str):
            self.ignored += 1
            log.warning("%s: %s", self.record.agent_id, reported if asset_id else "gap of no asset")
            on_durable()
            return None
        return self._append((), on_durable, self._gaps.take_report(asset_id, reported))

    def _asset_told_of(self, index: int) -> str | None:
        """The asset, if this agent may tell of its past: its own, or held by another by now."""
        if self._entry.grants[index].result is GrantResult.ASSET_HELD:
            return canonical_uuid(self._claims[index])
        return self._entry.granted.get(index)

    def _acknowledge_gap(self, boot_id: int, number: int, revision: int) -> None:
        self.outgoing.acks.add_gap(boot_id, number, revision)
        self._acknowledger.add(self)

    def _take_heartbeat(self, heartbeat: Heartbeat) -> None:
        outbox = heartbeat.outbox
        self.clock_offset_us = heartbeat.ts_us - self.seen_us
        self.outbox_rows = outbox.rows if outbox is not None else 0
        devices = []
        for device in heartbeat.devices:
            if device.asset_index >= self._claimed:
                self._end_unassigned("heartbeat.devices", device.asset_index)
                return
            asset = self._assets.get(device.asset_index)
            if asset is not None:
                devices.append((asset.id, _health(device.health)))
        record = HeartbeatRecord(
            agent_id=self.record.agent_id,
            ts_us=heartbeat.ts_us,
            received_us=self.seen_us,
            uptime_ms=heartbeat.uptime_ms,
            outbox_rows=self.outbox_rows,
            dropped_rows=outbox.dropped_rows if outbox is not None else 0,
            devices=tuple(devices),
        )
        self._on_heartbeat(record)
        if not self._allowances.heartbeats.take_nowait(self._entry.heard_at):
            self._excess.heartbeats += 1
            self._tell_excess(TOO_MANY_HEARTBEATS)
            return
        # The journal learns how far the session is, in case nobody can tell at its end.
        self._store.note(replace(self.record, messages=self.messages, samples=self.samples))
        self._store.note(record)

    def _take_report(self, report: DispatchReport) -> Deferred | None:
        if report.asset_index >= self._claimed:
            self._end_unassigned("dispatch_report", report.asset_index)
            return None
        asset = self._assets.get(report.asset_index)
        read = read_report(report)
        if asset is None or isinstance(read, str):
            self.ignored += 1
            log.warning("%s: %s", self.record.agent_id, read if asset else "report on no asset")
            return None
        dispatch_id, reported = read
        if self._desk.report_nowait(asset.id, dispatch_id, reported):
            self._stream.give_way()
            return None
        return partial(self._hold_up, self._desk.report, asset.id, dispatch_id, reported)

    def _end_unassigned(self, where: str, index: int) -> None:
        self.end(
            protocol_error(
                f"{where}.asset_index: {index} was never assigned; 0 to {self._claimed - 1} were"
            )
        )


def _end_of(error: BaseException) -> End:
    """Why a session ended with this error: the worst of a group's reasons."""
    if isinstance(error, BaseExceptionGroup):
        ends = {_end_of(inner) for inner in error.exceptions}
        known = (INTERNAL_ERROR, BROKEN_MESSAGE, CONNECTION_LOST)
        return next(end for end in known if end in ends)
    if isinstance(error, StreamTerminatedError | trio.Cancelled):
        return CONNECTION_LOST
    return BROKEN_MESSAGE if isinstance(error, GRPCError) else INTERNAL_ERROR


_HEALTH = {Health.OK: "ok", Health.DEGRADED: "degraded", Health.UNREACHABLE: "unreachable"}


def _health(health: Health) -> str:
    return _HEALTH.get(health, "unknown")

"""One agent's stream: a nursery that receives, sends, keeps alive and watches for silence.

A session dies alone, for any reason, and leaves nothing behind. Every end goes through ``end``,
which notes the reason and cancels the nursery. The last lines of ``run`` then send Goodbye and the
status.

Task tree::

    run
    ├ take_message       called for each message in the task that reads the connection
    │                    (``incoming.py``); the nursery's own task awaits work that has to wait,
    │                    and flow control holds back the agent meanwhile
    ├ send_queued        takes intents from the session's bounded channel (``outgoing.py``)
    └ keep_time          sends Alive, whatever journal and database do; ends a session whose
                         agent is silent or does not read
"""

from collections.abc import Callable
from dataclasses import replace

import trio
from grpclib import GRPCError, Status
from grpclib.exceptions import StreamTerminatedError

from derhead.gaps import HoleCause
from derhead.sessions.admission.certificate import certificate_end_us
from derhead.sessions.admission.directory import LiveSession
from derhead.sessions.admission.register import Registration
from derhead.sessions.streams.collaborators import SessionContext
from derhead.sessions.streams.incoming import Incoming
from derhead.sessions.streams.outgoing import Outgoing
from derhead.sessions.terms.ends import (
    BROKEN_MESSAGE,
    CLOSED_BY_AGENT,
    CONNECTION_LOST,
    INTERNAL_ERROR,
    SLOW_READER,
    TOKEN_ENDED,
    End,
    silent,
)
from derhead.sessions.terms.session_records import SessionRecord
from derproto.base.runtime import shielded_for
from derproto.configuration.fleet import Asset, Fleet
from derproto.der.v1 import (
    Goodbye,
    HeadendMessage,
    Welcome,
)
from derproto.stdio.log_events import event_log
from derproto.triogrpc import ServerStream

log = event_log(__name__)

GOODBYE_S = 2.0
"""Seconds for which an ending session tries to send Goodbye."""


class Session:
    """A registered agent's session, from Welcome to its end."""

    def __init__(
        self,
        stream: ServerStream,
        live: LiveSession,
        registration: Registration,
        proof: str | None,
        assets: dict[int, Asset],
        context: SessionContext,
    ) -> None:
        self._stream = stream
        self._live = live
        self._limits = context.limits
        self._assets = assets
        self.is_admitted: Callable[[], bool] = lambda: True
        """Whether the agent's token is still good; asked at each Alive."""
        self.claims = registration.asset_ids
        """The assets that the agent claimed, as it wrote them."""
        self._wall_us = context.runtime.wall_us
        self._scope = trio.CancelScope()
        self._end: End | None = None
        self.outgoing = Outgoing(
            stream,
            live,
            self,
            registration.asset_ids,
            context.desk,
            context.runtime,
            context.depths,
        )
        self._incoming = Incoming(
            stream,
            live,
            self,
            registration,
            assets,
            self.outgoing.acks,
            context,
        )
        self.certificate_end_us = certificate_end_us(stream.peer_certificate)
        """When the agent's certificate ends, microseconds since the epoch; None = it has none."""
        now_us = self._wall_us()
        self.record = SessionRecord(
            session_id=live.session_id,
            agent_id=registration.agent_id,
            site_id=registration.site_id,
            asset_ids=tuple(live.granted.values()),
            connected_us=now_us,
            peer=stream.peer,
            software_version=registration.software_version,
            boot_id=registration.boot_id,
            clock_offset_us=registration.clock_us - now_us,
            proof=proof,
        )

    # --- what others see of it ----------------------------------------------------------

    @property
    def seen_us(self) -> int:
        """When the agent's last message arrived, microseconds since the epoch."""
        return self._incoming.seen_us

    @property
    def clock_offset_us(self) -> int:
        """The agent's clock minus the headend's, by the newest Register or Heartbeat."""
        return self._incoming.clock_offset_us

    @property
    def outbox_rows(self) -> int:
        """Rows in the agent's outbox, by the newest Register or Heartbeat."""
        return self._incoming.outbox_rows

    @property
    def ignored(self) -> int:
        """Messages without use: unknown kinds, repeated Registers, unreadable reports."""
        return self._incoming.ignored

    @property
    def session_id(self) -> str:
        return self._live.session_id

    @property
    def granted(self) -> tuple[str, ...]:
        return self.record.asset_ids

    @property
    def is_breach(self) -> bool:
        """Whether the session ended because its agent broke the protocol."""
        return self._end is not None and self._end.reason == BROKEN_MESSAGE.reason

    @property
    def end_detail(self) -> str | None:
        """What the agent was told beyond the reason, if anything."""
        return (self._end.detail or None) if self._end is not None else None

    @property
    def is_ending(self) -> bool:
        """Whether ``end`` was called."""
        return self._end is not None

    def end(self, end: End) -> None:
        """Ends the session; the first reason counts."""
        if self._end is None:
            self._end = end
            self.outgoing.stop()
        self._scope.cancel()

    def renew_assets(self, fleet: Fleet) -> None:
        """Takes over what the fleet now says of the assets that the session holds."""
        for index, asset in self._assets.items():
            self._assets[index] = fleet.assets.get(asset.id, asset)

    def acknowledge_nowait(self) -> None:
        """Sends pending acknowledgements. Raises: StreamTerminatedError."""
        self.outgoing.acknowledge_nowait()

    # --- what the desk sees of it ---------------------------------------------------

    @property
    def setpoint_room(self) -> int:
        """How many more setpoints and cancels fit now."""
        return self.outgoing.room

    def ask_for_room_nowait(self) -> None:
        """Tells the desk, which has more to send, as soon as half of the room is free."""
        self.outgoing.ask_for_room_nowait()

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        """Queues a setpoint; the desk has checked ``setpoint_room``."""
        self.outgoing.queue_setpoint(dispatch_id)

    def send_cancel_nowait(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        """Queues a Cancel for a claimed asset, even if the claim was refused."""
        self.outgoing.queue_cancel(dispatch_id, asset_id, reason)

    async def run(self) -> None:
        """Welcomes the agent and serves it until the session's end.

        Raises: GRPCError with the stream's status, if it is not OK.
        Cancellation: the stream is gone; the session ends as "connection lost".
        """
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._keep_time)
                    await self._welcome()
                    nursery.start_soon(self.outgoing.send_queued)
                    await self._stream.deliver(self._incoming.take_message)
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
            self.record = replace(
                self.record_so_far(),
                ended_us=self._wall_us(),
                end_reason=(self._end or INTERNAL_ERROR).reason,
            )
        if end.status is not Status.OK:
            raise GRPCError(end.status, end.detail)

    @property
    def silence(self) -> HoleCause:
        """Why its assets are silent once it has ended."""
        return (self._end or INTERNAL_ERROR).silence

    def record_so_far(self) -> SessionRecord:
        """The session's record up to now, without an end."""
        incoming = self._incoming
        return replace(self.record, messages=incoming.messages, samples=incoming.samples)

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
            assets=list(self._live.grants),
            max_rows_per_message=limits.max_rows,
        )
        await self._stream.send_message(HeadendMessage(welcome=welcome))

    async def _keep_time(self) -> None:
        """Sends Alive, whatever journal and database do, and ends a silent session.

        One task does both: tasks are most of a session's memory.
        """
        alive_at = trio.current_time() + self._limits.alive_period_s
        while True:
            await trio.sleep_until(min(alive_at, self._live.heard_at + self._limits.silence_s))
            # If the loop was late, the agent's messages are there and must be read first.
            await self._stream.wait_read()
            if trio.current_time() >= alive_at:
                alive_at += self._limits.alive_period_s
                if not self.is_admitted():
                    self.end(TOKEN_ENDED)
                if not self.outgoing.say_alive_nowait():
                    # The last Alive has waited for a whole period.
                    self.end(SLOW_READER)
            self._end_if_silent()

    def _end_if_silent(self) -> None:
        now, limit_s = trio.current_time(), self._limits.silence_s
        if now < self._live.heard_at + limit_s:
            return
        if self._live.held_up:
            # The journal holds up the reader; the agent is not silent.
            self._live.heard_at = now
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
                log.debug("agent was gone before its goodbye", agent=self.record.agent_id)


def _end_of(error: BaseException) -> End:
    """Why a session ended with this error: the worst of a group's reasons."""
    if isinstance(error, BaseExceptionGroup):
        ends = {_end_of(inner) for inner in error.exceptions}
        known = (INTERNAL_ERROR, BROKEN_MESSAGE, CONNECTION_LOST)
        return next(end for end in known if end in ends)
    if isinstance(error, StreamTerminatedError | trio.Cancelled):
        return CONNECTION_LOST
    return BROKEN_MESSAGE if isinstance(error, GRPCError) else INTERNAL_ERROR

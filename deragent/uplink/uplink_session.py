"""One session with the headend, from Register to its end.

A session has one nursery. One task receives, and five send: live samples, backfill, gaps, reports,
heartbeats. One watches the headend's silence, and one waits for the agent to stop. The first task
that finds the session over gives the reason, and all tasks end together. Errors of the link are
not caught here; ``keep_uplink`` is their border.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import trio

from deragent.event_lines import EventKind
from deragent.tasks.agent_board import MOST_PERIOD_S, AgentBoard
from deragent.tasks.controller import Controller
from deragent.timelines.timed_orders import AbsenceCorrected, CancelArrived, SetpointArrived
from deragent.uplink.messages import (
    ranges,
    read_setpoint,
    register_reports,
    write_outbox,
    write_report,
)
from deragent.uplink.session_clock import SessionClock
from deragent.uplink.session_sender import BACKFILL_ROWS, SessionSender
from derproto import __version__
from derproto.der import v1
from derproto.stdio.log_events import event_log
from derproto.triogrpc import ClientStream

log = event_log(__name__)

WELCOME_TIMEOUT_S = 10.0
"""Time from Register to Welcome."""
KEEP_TIMEOUT_S = 1.0
"""Time that Register waits for the timelines to be on disk."""
SILENCE_LIMIT_S = 30.0
"""Silence of the headend that ends a session, if Welcome names none."""
HALF_CLOSE_S = 2.0
"""Time for the headend to end a stream whose agent stops."""


class NoWelcome(Exception):
    """The headend did not answer Register with Welcome."""


@dataclass(slots=True)
class UplinkOutcome:
    """The result of a session, filled in as it goes on."""

    reason: str | None = None
    """The reason from the task that found the session over; None if the link broke."""
    welcomed_s: float | None = None
    """Monotonic time of Welcome; None if there was none."""
    reconnect_after_s: float = 0.0
    """Wait that the headend asked for before a reconnect."""
    has_turn: bool = False
    """That wait is the agent's turn among many that register at once."""


class UplinkSession:
    """A session on a stream that has just been opened."""

    def __init__(
        self,
        stream: ClientStream,
        board: AgentBoard,
        controllers: Sequence[Controller],
        stopping: trio.Event,
        outcome: UplinkOutcome,
    ) -> None:
        self._stream = stream
        self._sender = SessionSender(stream, board)
        self._board = board
        self._controllers = controllers
        self._stopping = stopping
        self._outcome = outcome
        self._scope = trio.CancelScope()
        self._heard_s = trio.current_time()

    async def run(self) -> None:
        """Registers and serves until the session is over; ``outcome`` says why it is.

        Raises: NoWelcome, and whatever a broken link raises, alone or in groups.
        Cancellation: the stream is cut.
        """
        welcome = await self._register()
        clock = SessionClock(self._heard_s)
        self._take_welcome(welcome)
        most_rows = max(1, welcome.max_rows_per_message or BACKFILL_ROWS)
        silence_s = min(welcome.headend_silence_limit_ms / 1000 or SILENCE_LIMIT_S, MOST_PERIOD_S)
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._receive_messages, clock)
                nursery.start_soon(self._sender.send_live, most_rows)
                nursery.start_soon(self._sender.send_backfill, min(most_rows, BACKFILL_ROWS))
                nursery.start_soon(self._sender.send_gaps)
                nursery.start_soon(self._sender.send_reports)
                nursery.start_soon(self._sender.send_heartbeats, welcome.heartbeat_period_ms / 1000)
                nursery.start_soon(self._watch_silence, silence_s)
                nursery.start_soon(self._await_stop)
        if self._stopping.is_set():
            await self._half_close()

    def _finish(self, reason: str) -> None:
        if self._outcome.reason is None:
            self._outcome.reason = reason
        self._scope.cancel()

    async def _register(self) -> v1.Welcome:
        board, plan = self._board, self._board.plan
        await self._stream.send_request()
        # The headend assumes that a dispatch missing from Register never arrived. If the disk
        # is full, Register carries dispatches that are held and not yet on disk.
        with trio.move_on_after(KEEP_TIMEOUT_S):
            for controller in self._controllers:
                await controller.wait_saved()
        # From here until the message is composed, nothing awaits, so no report is lost.
        board.begin_session()
        register = v1.Register(
            agent_id=plan.agent_id,
            site_id=plan.site_id or "",
            asset_ids=[asset.id for asset in plan.assets],
            software_version=__version__,
            boot_id=board.boot_id,
            clock_us=board.now().wall_us,
            dispatches=self._last_reports(),
            outbox=write_outbox(board.outbox),
        )
        try:
            with trio.fail_after(WELCOME_TIMEOUT_S):
                await self._sender.send(v1.AgentMessage(register=register))
                message = await self._receive()
        except trio.TooSlowError:
            raise NoWelcome(f"no Welcome within {WELCOME_TIMEOUT_S:g} s") from None
        if message is None:
            raise NoWelcome("the headend ended the stream before its Welcome")
        if message.goodbye is not None:
            self._take_goodbye(message.goodbye)
            raise NoWelcome(self._outcome.reason)
        if message.welcome is None:
            raise NoWelcome("the headend's first message is not Welcome")
        self._heard()
        self._outcome.welcomed_s = self._heard_s
        return message.welcome

    def _last_reports(self) -> list[v1.DispatchReport]:
        reports = (
            (index, report)
            for index, controller in enumerate(self._controllers)
            for report in controller.last_reports()
        )
        return [write_report(*pair) for pair in register_reports(reports)]

    def _take_welcome(self, welcome: v1.Welcome) -> None:
        board = self._board
        board.counts.sessions += 1
        board.up = True
        board.take_period(welcome.telemetry_period_ms / 1000)
        period_s = board.telemetry_period_s.value
        board.emit(EventKind.CONNECTED, session_id=welcome.session_id, telemetry_period_s=period_s)
        board.take_grants(welcome.assets)
        # Correct the clock before any task resumes an order because the headend was heard.
        underestimated_s = board.take_headend_clock(welcome.clock_us)
        if underestimated_s != 0:
            if underestimated_s > 0:
                log.warning("this machine's clock stood still", for_s=round(underestimated_s))
            else:
                log.warning("this machine's clock was set forward", by_s=-round(underestimated_s))
            for controller in self._controllers:
                controller.handle(AbsenceCorrected(underestimated_s))

    # --- in -----------------------------------------------------------------------------

    def _heard(self) -> None:
        self._heard_s = trio.current_time()
        self._board.hear()

    async def _receive(self) -> v1.HeadendMessage | None:
        message: v1.HeadendMessage | None = await self._stream.recv_message()
        return message

    async def _receive_messages(self, clock: SessionClock) -> None:
        while (message := await self._receive()) is not None:
            self._heard()
            if message.setpoint is not None:
                clock.heard(message.setpoint.sent_at_session_us, self._heard_s)
                self._take_setpoint(message.setpoint, clock)
            elif message.alive is not None:
                clock.heard(message.alive.session_us, self._heard_s)
            elif message.telemetry_ack is not None:
                self._take_ack(message.telemetry_ack)
            elif message.cancel is not None:
                self._take_cancel(message.cancel)
            elif message.goodbye is not None:
                self._take_goodbye(message.goodbye)
                return
            else:
                self._board.counts.ignored_messages += 1
        self._finish("ended by the headend")

    def _take_setpoint(self, setpoint: v1.Setpoint, clock: SessionClock) -> None:
        if setpoint.asset_index >= len(self._controllers):
            # No report is possible: it would have to name an index that was never assigned.
            self._board.counts.ignored_messages += 1
            log.warning("setpoint is for no asset of this agent", dispatch=setpoint.dispatch_id)
            return
        order = read_setpoint(setpoint, clock)
        self._controllers[setpoint.asset_index].handle(SetpointArrived(order))

    def _take_cancel(self, cancel: v1.Cancel) -> None:
        event = CancelArrived(cancel.dispatch_id, cancel.reason)
        knowing = [c for c in self._controllers if c.knows(cancel.dispatch_id)]
        if not knowing and cancel.asset_index < len(self._controllers):
            knowing = [self._controllers[cancel.asset_index]]
        for controller in knowing:
            controller.handle(event)
        if not knowing:
            self._board.counts.ignored_messages += 1

    def _take_ack(self, ack: v1.TelemetryAck) -> None:
        board = self._board
        board.acked(ack.boot_id, ranges(ack.durable), ranges(r.rows for r in ack.refused))
        board.gaps_acked(ack.boot_id, ack.gaps)

    def _take_goodbye(self, goodbye: v1.Goodbye) -> None:
        self._outcome.reconnect_after_s = min(goodbye.reconnect_after_ms / 1000, MOST_PERIOD_S)
        is_busy = goodbye.reason is v1.GoodbyeReason.BUSY
        self._outcome.has_turn = is_busy and goodbye.reconnect_after_ms > 0
        reason = (goodbye.reason.name or str(int(goodbye.reason))).lower()
        self._finish(f"goodbye: {reason} {goodbye.detail}".rstrip())

    # --- its end ------------------------------------------------------------------------

    async def _watch_silence(self, limit_s: float) -> None:
        while True:
            await trio.sleep_until(self._heard_s + limit_s)
            if trio.current_time() >= self._heard_s + limit_s:
                self._finish(f"headend silent for {limit_s:g} s")

    async def _await_stop(self) -> None:
        await self._stopping.wait()
        self._finish("stopping")

    async def _half_close(self) -> None:
        """Ends the agent's half of the stream; reads on for at most ``HALF_CLOSE_S``."""
        with trio.move_on_after(HALF_CLOSE_S):
            await self._stream.end()
            while await self._receive() is not None:
                continue

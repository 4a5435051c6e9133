"""What the tasks of one agent share: samplers and controllers write it, the uplink reads it.

Nothing here waits for the network. Every method except ``wait_…`` is synchronous.
"""

import math
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import trio

from deragent.config import AgentPlan
from deragent.devices import Measurement
from deragent.event_lines import EventKind, EventLine
from deragent.outbox import FileLookup, Outbox, OutboxLimits, OutboxRow
from deragent.tasks.device_notes import DeviceNotes
from deragent.tasks.signals import Setting, Signal
from deragent.timelines.absence import Absence
from deragent.timelines.timed_orders import Moment, Report
from derproto.base.runtime import Runtime
from derproto.der.v1 import AssetGrant, DispatchState, GapAck, GrantResult, QualityBit

TELEMETRY_PERIOD_S = 4.0
"""Telemetry period until the first Welcome sets it, seconds."""
LEAST_PERIOD_S = 0.1
MOST_PERIOD_S = 3600.0
"""Greatest period, silence and wait before a reconnect that a headend may ask for. A longer one is
shortened."""
REPORTS_WAITING = 4096
"""Reports that wait for the stream. When full, the oldest is dropped; the next Register carries
the last report of every dispatch."""


@dataclass(slots=True)
class Counts:
    """Counts since the agent's start."""

    sessions: int = 0
    """Welcomes received."""
    samples: int = 0
    """Measurements, also of refused assets."""
    skipped_samples: int = 0
    """Measurements dropped because the headend refuses their asset."""
    device_errors: int = 0
    """Measurements that a device did not answer."""
    attempts: int = 0
    """Attempts to reach the headend."""
    reports: Counter[str] = field(default_factory=Counter)
    """Changes of dispatches, by the name of the state that they reached."""
    ignored_messages: int = 0
    """Messages of an unknown kind, or about an asset that is not this agent's."""


class AgentBoard:
    """One agent's samples, reports, health and settings."""

    def __init__(
        self,
        plan: AgentPlan,
        *,
        runtime: Runtime,
        boot_id: int,
        outbox: OutboxLimits,
        backfill_rows_s: int,
        on_event: Callable[[EventLine], None],
    ) -> None:
        self.plan = plan
        self.boot_id = boot_id
        self.outbox = Outbox(boot_id, outbox)
        self.backfill_rows_s = backfill_rows_s
        """Greatest rate of backfill, rows/s."""
        self.counts = Counts()
        self.up = False
        """Whether a session with the headend lasts."""
        self.telemetry_period_s = Setting(TELEMETRY_PERIOD_S)
        self.rows_waiting = Signal()
        self.backfill_waiting = Signal()
        """Set when rows become backfill within a session."""
        self.gaps_waiting = Signal()
        self.wait_rows: Callable[[FileLookup], Awaitable[Sequence[OutboxRow]]] | None = None
        """Reads rows from the outbox's file; None without one."""
        self.reports_waiting = Signal()
        self.devices = DeviceNotes(plan.assets, self.emit)
        self._reports: deque[tuple[int, Report]] = deque(maxlen=REPORTS_WAITING)
        self._refused: dict[int, GrantResult] = {}
        self._wall_us = runtime.wall_us
        self._on_event = on_event
        self._started_s = self._heard_s = trio.current_time()
        self._waiting_for_word: set[Signal] = set()
        self._absence: Absence | None = None
        self._headend_us: int | None = None
        self._headend_s = 0.0
        self._dropping = False
        self._awaited_row = (0, 0)
        self._row_acked = trio.Event()
        self._outbox_due = Signal()
        self._outbox_awaited_s = -math.inf
        """Time until which the task of the outbox's file sleeps."""

    def now(self) -> Moment:
        return Moment(trio.current_time(), self._wall_us(), self._heard_s)

    @property
    def uptime_ms(self) -> int:
        return round((trio.current_time() - self._started_s) * 1000)

    def emit(self, kind: EventKind, **detail: str | float | int | None) -> None:
        """Reports an event to the program that started the agent."""
        self._on_event(EventLine(self._wall_us(), self.plan.agent_id, kind, detail))

    # --- from samplers ------------------------------------------------------------------

    def add_sample(self, asset_index: int, measurement: Measurement, quality: int) -> None:
        """Keeps a sample until it is acknowledged, unless its asset is refused.

        When full: the oldest sample is forced out.
        """
        self.counts.samples += 1
        ts_us = self._wall_us()
        answers = not quality & QualityBit.STALE_DEVICE
        self.counts.device_errors += not answers
        self.outbox.gaps.note_device(asset_index, ts_us, answers=answers)
        if asset_index in self._refused:
            self.counts.skipped_samples += 1
        else:
            now_s = trio.current_time()
            fitted = self.outbox.append(asset_index, ts_us, measurement, quality, now_s=now_s)
            self.note_dropping(fitted=fitted)
            self.rows_waiting.set()
        self._note_outbox()

    def note_dropping(self, *, fitted: bool) -> None:
        """Reports, once for each outage, that the outbox forces out rows."""
        if not fitted and not self._dropping:
            self._dropping = True
            self.emit(EventKind.OUTBOX_DROPPING, dropped_rows=self.outbox.dropped_rows)

    # --- from controllers ---------------------------------------------------------------

    def add_report(self, asset_index: int, report: Report) -> None:
        """Queues a report for the stream and emits an event. When full: see REPORTS_WAITING."""
        self._reports.append((asset_index, report))
        self.reports_waiting.set()
        state = state_name(report.state)
        self.counts.reports[state] += 1
        asset = self.plan.assets[asset_index]
        self.emit(
            EventKind.DISPATCH,
            dispatch_id=report.dispatch_id,
            asset_id=asset.id,
            asset=asset.name,
            state=state,
            mw=report.applied_mw,
            reason=report.detail,
        )

    def restore_headend(self, heard_s: float, absence: Absence | None) -> None:
        """Restores the headend's state as an earlier process knew it, before the first session."""
        self._heard_s, self._absence = heard_s, absence

    def take_period(self, period_s: float) -> None:
        """Sets the telemetry period, seconds, within the bounds."""
        self.telemetry_period_s.set(min(max(LEAST_PERIOD_S, period_s), MOST_PERIOD_S))

    def wake_when_heard(self, signal: Signal) -> None:
        """Sets ``signal`` at the headend's next message."""
        self._waiting_for_word.add(signal)

    # --- for the uplink -----------------------------------------------------------------

    def headend_clock(self) -> tuple[int, int | None]:
        """The headend's clock as in a ``Stamp``: its time, and its age if that is in doubt.

        Before the first Welcome, the time is that of an earlier process; 0 without one.
        """
        now_s = trio.current_time()
        if self._headend_us is not None:
            return self._headend_us + round((now_s - self._headend_s) * 1e6), None
        if self._absence is not None:
            return self._absence.left_us, round((now_s - self._absence.left_s) * 1e6)
        return 0, None

    def take_headend_clock(self, clock_us: int) -> float:
        """Takes over the clock of a Welcome.

        The first time, returns how much longer the agent's absence was than assumed, seconds;
        later 0.
        """
        self._headend_us, self._headend_s = clock_us, trio.current_time()
        absence, self._absence = self._absence, None
        return 0.0 if absence is None else absence.underestimated_s(clock_us, self._headend_s)

    def hear(self) -> None:
        """Notes that a message came. A message of any kind shows that the headend is alive."""
        self._heard_s = trio.current_time()
        if self._waiting_for_word:
            waiting, self._waiting_for_word = self._waiting_for_word, set()
            for signal in waiting:
                signal.set()

    def take_report(self) -> tuple[int, Report] | None:
        """Removes and returns the oldest report, with its asset's index; None if there is none."""
        return self._reports.popleft() if self._reports else None

    def begin_session(self) -> None:
        """Begins a session: Register carries every report, and all present rows are backfill."""
        self._reports.clear()
        self.outbox.begin_session()

    def take_grants(self, grants: list[AssetGrant]) -> None:
        """Takes over which assets the headend refuses, and reports what changed."""
        refused = {g.asset_index: g for g in grants if g.result is not GrantResult.GRANTED}
        for index, asset in enumerate(self.plan.assets):
            grant = refused.get(index)
            if grant is not None and self._refused.get(index) is not grant.result:
                result = (grant.result.name or str(int(grant.result))).lower()
                self.emit(
                    EventKind.ASSET_REFUSED,
                    asset_id=asset.id,
                    asset=asset.name,
                    result=result,
                    reason=grant.detail,
                )
            elif grant is None and index in self._refused:
                self.emit(EventKind.ASSET_GRANTED, asset_id=asset.id, asset=asset.name)
        self._refused = {index: grant.result for index, grant in refused.items()}

    def acked(
        self, boot_id: int, ranges: list[tuple[int, int]], refused: list[tuple[int, int]]
    ) -> None:
        """Drops rows that the headend has, or will never take."""
        self.outbox.ack(boot_id, ranges, trio.current_time())
        self.outbox.refuse(boot_id, refused)
        awaited_boot, seq = self._awaited_row
        if boot_id == awaited_boot and any(
            first <= seq <= last for first, last in (*ranges, *refused)
        ):
            self._row_acked.set()
        self._dropping = self._dropping and self.outbox.is_full
        self._note_outbox()

    def await_ack(self, boot_id: int, seq: int) -> trio.Event:
        """The event that is set once the headend has that row, or will never take it.

        Only the newest call's event is ever set.
        """
        self._awaited_row, self._row_acked = (boot_id, seq), trio.Event()
        return self._row_acked

    def gaps_acked(self, boot_id: int, gaps: list[GapAck]) -> None:
        """Notes that the headend has these gap reports."""
        for gap in gaps:
            self.outbox.gaps.ack(boot_id, gap.number, gap.revision)
        self._note_outbox()

    # --- for the outbox's file -----------------------------------------------------------

    async def wait_outbox_due(self) -> None:
        """Waits until the outbox has work for its file. Only one task may wait."""
        while (due_s := self.outbox.due_s()) > trio.current_time():
            self._outbox_awaited_s = due_s
            with trio.move_on_at(due_s):
                await self._outbox_due.wait()
        self._outbox_awaited_s = -math.inf

    def _note_outbox(self) -> None:
        if self.outbox.gaps.has_due:
            self.gaps_waiting.set()
        if self.outbox.due_s() < self._outbox_awaited_s:
            self._outbox_due.set()


def state_name(state: DispatchState) -> str:
    """The name of a dispatch's state; its number, if a newer contract added it."""
    return (state.name or str(int(state))).lower()

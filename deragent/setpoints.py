"""The setpoint timeline of one asset: pure decisions. No I/O, no clock, no Trio.

An asset holds orders whose windows do not overlap. At most one is in force: the device was
told it, or is being told. Where a new order's window overlaps others, the lower priority
number wins, then the later arrival; a loser ends whole and never resumes. When nothing is
in force any more, the device is told the asset's default, again and again until it takes
it. An id is applied once: whatever comes again under it repeats its last report.

``step`` returns the timeline after an event, and what to do; the reports among the effects
are already remembered in the timeline. After every event at most one effect speaks to the
device, and it is the last one. ``next_deadline`` says when ``TimePassed`` is due.

Times are monotonic seconds, as given by whoever runs the timeline; ``Moment`` adds the wall
time, only to be written into reports.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from deragent.orders import (
    Applied,
    Apply,
    ApplyFailed,
    CancelArrived,
    DefaultFailed,
    DefaultTaken,
    Effect,
    Event,
    Moment,
    Order,
    Report,
    ReturnToDefault,
    SetpointArrived,
    TimePassed,
    before,
)
from derproto.base.fleet import Limits
from derproto.der.v1 import DispatchReason, DispatchState

MAX_HELD = 64
"""Orders of one asset that wait or are in force. One more is rejected: TOO_MANY_OPS."""
MAX_KNOWN = 256
"""Ids of one asset that are remembered. One more makes it forget the one ended longest ago."""
REMEMBER_S = 24 * 3600.0
"""How long the id of an ended order is remembered, seconds."""
DEFAULT_RETRY_S = 5.0
"""Time after which a device that did not take its default is told again, seconds."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of an id."""

    report: Report
    ended_s: float | None = None
    """When it ended; None while it is held."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """All orders of one asset."""

    limits: Limits
    default_mw: float | None
    """MW; None = the device is released to its own control."""
    held: tuple[Order, ...] = ()
    """Orders that wait or are in force; their windows do not overlap."""
    in_force: str | None = None
    """Id of the order that the device was told, or is being told."""
    returning: bool = False
    """Whether the device has not yet taken its default after the last order."""
    default_due_s: float | None = None
    """When the device has to be told its default (again); None while it is being told."""
    known: Mapping[str, Known] = field(default_factory=lambda: MappingProxyType({}))
    """By id: of every order held, and of those ended lately."""


def step(timeline: Timeline, event: Event, now: Moment) -> tuple[Timeline, tuple[Effect, ...]]:
    """The timeline after ``event``, and the effects in their order."""
    turn = _Turn(timeline, now)
    match event:
        case SetpointArrived(order):
            turn.take(order)
        case CancelArrived(dispatch_id, reason):
            turn.cancel(dispatch_id, reason)
        case Applied(dispatch_id, mw):
            turn.start(dispatch_id, mw)
        case ApplyFailed(dispatch_id, detail):
            turn.fail(dispatch_id, detail)
        case DefaultTaken():
            turn.settle()
        case DefaultFailed():
            turn.retry_default()
        case TimePassed():
            pass
    turn.end_windows()
    turn.speak()
    return turn.timeline(), tuple(turn.effects)


def next_deadline(timeline: Timeline) -> float | None:
    """When ``TimePassed`` will change something, monotonic seconds, or None."""
    due = [order.end_s for order in timeline.held if order.end_s is not None]
    due += [o.start_s for o in timeline.held if o.dispatch_id != timeline.in_force]
    if timeline.default_due_s is not None:
        due.append(timeline.default_due_s)
    return min(due, default=None)


def last_reports(timeline: Timeline, now: Moment) -> tuple[Report, ...]:
    """The last report of every id held or ended within ``REMEMBER_S``, held ones first."""
    held = [known.report for known in timeline.known.values() if known.ended_s is None]
    ended = [known.report for known in timeline.known.values() if _fresh(known, now)]
    return (*held, *ended)


def _fresh(known: Known, now: Moment) -> bool:
    return known.ended_s is not None and now.mono_s - known.ended_s < REMEMBER_S


_S = DispatchState
_R = DispatchReason


class _Turn:
    """One step: a timeline taken apart, changed, and put together again."""

    def __init__(self, timeline: Timeline, now: Moment) -> None:
        self._was = timeline
        self._now = now
        self.effects: list[Effect] = []
        self._held = {order.dispatch_id: order for order in timeline.held}
        self._in_force = timeline.in_force
        self._known = dict(timeline.known)
        self._returning = timeline.returning
        self._default_due_s = timeline.default_due_s

    def timeline(self) -> Timeline:
        return replace(
            self._was,
            held=tuple(self._held.values()),
            in_force=self._in_force,
            returning=self._returning,
            default_due_s=self._default_due_s,
            known=MappingProxyType(self._known),
        )

    def take(self, order: Order) -> None:
        self._forget()
        dispatch_id = order.dispatch_id
        if dispatch_id in self._known:
            self.effects.append(self._known[dispatch_id].report)
        elif not math.isfinite(order.mw) or order.mw not in self._was.limits:
            limits = self._was.limits
            self._end(
                dispatch_id,
                _S.REJECTED,
                _R.OUT_OF_RANGE,
                f"{order.mw:g} MW is not within {limits.min_mw:g}..{limits.max_mw:g} MW",
            )
        elif not before(max(order.start_s, self._now.mono_s), order.end_s):
            self._end(dispatch_id, _S.EXPIRED, detail="arrived after its window")
        else:
            self._contend(order)

    def _contend(self, order: Order) -> None:
        rivals = [held for held in self._held.values() if held.overlaps(order)]
        stronger = next((r for r in rivals if r.priority < order.priority), None)
        if stronger is not None:
            detail = f"gave way to {stronger.dispatch_id}"
            self._end(order.dispatch_id, _S.SUPERSEDED, detail=detail)
        elif len(self._held) - len(rivals) >= MAX_HELD:
            detail = f"{MAX_HELD} orders of this asset are held"
            self._end(order.dispatch_id, _S.REJECTED, _R.TOO_MANY_OPS, detail)
        else:
            for rival in rivals:
                detail = f"gave way to {order.dispatch_id}"
                self._end(rival.dispatch_id, _S.SUPERSEDED, detail=detail)
            self._held[order.dispatch_id] = order
            self._report(Report(order.dispatch_id, _S.RECEIVED, self._now.wall_us))

    def cancel(self, dispatch_id: str, reason: str) -> None:
        if dispatch_id in self._held:
            self._end(dispatch_id, _S.CANCELLED, detail=reason)
        elif dispatch_id in self._known:
            self.effects.append(self._known[dispatch_id].report)

    def start(self, dispatch_id: str, mw: float) -> None:
        if dispatch_id == self._in_force:
            self._report(Report(dispatch_id, _S.STARTED, self._now.wall_us, applied_mw=mw))

    def fail(self, dispatch_id: str, detail: str) -> None:
        if dispatch_id == self._in_force:
            self._end(dispatch_id, _S.FAILED, _R.HARDWARE_ERROR, detail)

    def settle(self) -> None:
        if self._in_force is None:
            self._returning, self._default_due_s = False, None

    def retry_default(self) -> None:
        if self._in_force is None:
            self._default_due_s = self._now.mono_s + DEFAULT_RETRY_S

    def end_windows(self) -> None:
        now_s = self._now.mono_s
        for order in [o for o in self._held.values() if not before(now_s, o.end_s)]:
            if self._known[order.dispatch_id].report.state is _S.STARTED:
                self._end(order.dispatch_id, _S.COMPLETED)
            elif order.dispatch_id == self._in_force:
                detail = "the device did not answer within the window"
                self._end(order.dispatch_id, _S.FAILED, _R.HARDWARE_ERROR, detail)
            else:
                self._end(order.dispatch_id, _S.EXPIRED, detail="its window passed unused")

    def speak(self) -> None:
        """What the device has to be told now, if anything."""
        now_s = self._now.mono_s
        if self._in_force is not None:
            return
        due = next((o for o in self._held.values() if o.start_s <= now_s), None)
        if due is not None:
            self._in_force = due.dispatch_id
            self._returning, self._default_due_s = False, None
            self.effects.append(Apply(due.dispatch_id, due.mw, due.ramp_mw_per_s))
        elif self._default_due_s is not None and self._default_due_s <= now_s:
            self._default_due_s = None
            self.effects.append(ReturnToDefault(self._was.default_mw))

    def _end(
        self,
        dispatch_id: str,
        state: DispatchState,
        reason: DispatchReason = _R.UNSPECIFIED,
        detail: str = "",
    ) -> None:
        self._held.pop(dispatch_id, None)
        if dispatch_id == self._in_force:
            self._in_force = None
            self._returning, self._default_due_s = True, self._now.mono_s
        known = self._known.pop(dispatch_id, None)
        applied_mw = None if known is None else known.report.applied_mw
        report = Report(dispatch_id, state, self._now.wall_us, reason, applied_mw, detail)
        self._known[dispatch_id] = Known(report, self._now.mono_s)
        self.effects.append(report)

    def _report(self, report: Report) -> None:
        self._known[report.dispatch_id] = Known(report)
        self.effects.append(report)

    def _forget(self) -> None:
        """Makes room for one more id. Ended ids stand in the order of their end."""
        ended = [key for key, known in self._known.items() if known.ended_s is not None]
        stale = [key for key in ended if not _fresh(self._known[key], self._now)]
        surplus = max(0, len(self._known) + 1 - MAX_KNOWN)
        for key in ended[: max(len(stale), surplus)]:
            del self._known[key]

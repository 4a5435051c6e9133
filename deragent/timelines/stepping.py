"""How events change an asset's timeline: pure decisions. No I/O, no clock, no Trio.

If the window of a new order overlaps others, the lower priority number wins, then the later
order, then the later arrival. The loser ends entirely and never resumes. The agent applies an id
once. If the id comes again, the agent repeats its last report.

The agent tells the device the order in force. If the device refuses the order too often, the
order has failed. When the headend is silent too long, the agent tells the device its failsafe and
suspends the order. When the headend is heard again within the window, the agent tells the device
the order again. When no order is in force any more, the agent tells the device the asset's
default until the device takes it.

When someone at the site takes control of the device, the order in force ends: ``rejected`` or, once
it was started, ``failed``, with LOCAL. So does every order whose window begins meanwhile. The
device is told its default when it is given back.

``step`` returns the timeline after an event, and the effects to carry out. The new timeline
already remembers the reports among them. At most one effect addresses the device, and it is the
last one. ``next_deadline`` says when ``TimePassed`` is due.

Times are monotonic seconds, as given by the caller. ``Moment`` adds the wall time, which only
reports use, and the time at which the headend was last heard.
"""

import math
from dataclasses import replace
from types import MappingProxyType

from deragent.timelines import failsafe
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.seen_orders import SeenOrder, make_room
from deragent.timelines.timed_orders import (
    AbsenceCorrected,
    Applied,
    Apply,
    ApplyFailed,
    CancelArrived,
    DefaultFailed,
    DefaultTaken,
    InForce,
    LocalControl,
    Moment,
    OrderWithheld,
    Phase,
    Report,
    ReturnToDefault,
    SetpointArrived,
    TimedOrder,
    TimelineEffect,
    TimelineEvent,
    TimePassed,
    before,
)
from derproto.der.v1 import DispatchReason, DispatchState, Suspension

MAX_HELD = 256
"""Orders of one asset that wait or are in force: as many as the headend leads, and two days of
quarter hours. When full, another one is rejected with TOO_MANY_OPS."""
APPLY_ATTEMPTS = 3
"""Tries at a device with one order, 2 s apart. When full, the dispatch is ``failed`` with
HARDWARE_ERROR, and the device goes to its default."""
APPLY_RETRY_S = 2.0
"""Pause between two tries at a device, seconds."""
DEFAULT_RETRY_S = 5.0
"""Pause before a device that did not take its default is told it again, seconds."""


def step(
    timeline: Timeline, event: TimelineEvent, now: Moment
) -> tuple[Timeline, tuple[TimelineEffect, ...]]:
    """The timeline after ``event``, and the effects in the order in which to carry them out."""
    turn = _Turn(timeline, now)
    match event:
        case SetpointArrived(order):
            turn.end_windows()
            turn.take(order)
        case CancelArrived(dispatch_id, reason):
            turn.end_windows()
            turn.cancel(dispatch_id, reason)
        case Applied(dispatch_id, mw):
            turn.start(dispatch_id, mw)
        case ApplyFailed(dispatch_id, detail, local):
            turn.fail(dispatch_id, detail, local=local)
        case LocalControl(begins):
            turn.local = begins
        case OrderWithheld(dispatch_id):
            turn.take_back(dispatch_id)
        case DefaultTaken():
            turn.settle()
        case DefaultFailed():
            turn.retry_default()
        case AbsenceCorrected(seconds):
            turn.move_windows(-seconds)
        case TimePassed():
            pass
    turn.end_windows()
    turn.steer()
    return turn.timeline(), tuple(turn.effects)


_S = DispatchState
_R = DispatchReason
_SILENT = "suspended: the headend is silent"
_LOCAL = "someone at the site has control of the device"


class _Turn:
    """One step: a mutable copy of a timeline, and the effects so far."""

    def __init__(self, timeline: Timeline, now: Moment) -> None:
        self._was = timeline
        self._now = now
        self.effects: list[TimelineEffect] = []
        self._held = {order.dispatch_id: order for order in timeline.held}
        self._force = timeline.in_force
        self._seen = dict(timeline.seen)
        self._returning = timeline.returning
        self._default_due_s = timeline.default_due_s
        self.local = timeline.local

    def timeline(self) -> Timeline:
        return replace(
            self._was,
            held=tuple(self._held.values()),
            in_force=self._force,
            returning=self._returning,
            default_due_s=self._default_due_s,
            local=self.local,
            seen=MappingProxyType(self._seen),
        )

    # --- orders -------------------------------------------------------------------------

    def take(self, order: TimedOrder) -> None:
        dispatch_id = order.dispatch_id
        if self._repeat(dispatch_id):
            return
        if not math.isfinite(order.mw) or order.mw not in self._was.limits:
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

    def _contend(self, order: TimedOrder) -> None:
        rivals = [held for held in self._held.values() if held.overlaps(order)]
        stronger = next((rival for rival in rivals if rival.outranks(order)), None)
        if stronger is not None:
            self._supersede(order.dispatch_id, stronger.dispatch_id)
        elif len(self._held) - len(rivals) >= MAX_HELD:
            detail = f"the agent holds {MAX_HELD} orders of this asset, the most that it may"
            self._end(order.dispatch_id, _S.REJECTED, _R.TOO_MANY_OPS, detail)
        else:
            for rival in rivals:
                self._supersede(rival.dispatch_id, order.dispatch_id)
            for held in self._held.values():
                order = order.making_way(held)
            self._held = {key: held.making_way(order) for key, held in self._held.items()}
            self._held[order.dispatch_id] = order
            self._report(Report(order.dispatch_id, _S.RECEIVED, self._now.wall_us))

    def _supersede(self, loser_id: str, winner_id: str) -> None:
        detail = f"gave way to dispatch {winner_id}"
        self._end(loser_id, _S.SUPERSEDED, detail=detail, superseded_by=winner_id)

    def cancel(self, dispatch_id: str, reason: str) -> None:
        """Ends an order. An unknown id is remembered: its setpoint may come later, and must have no
        effect."""
        if dispatch_id in self._held or not self._repeat(dispatch_id):
            self._end(dispatch_id, _S.CANCELLED, detail=reason)

    def _repeat(self, dispatch_id: str) -> bool:
        """Repeats the last report on an id; returns whether the id is known."""
        make_room(self._seen, self._now.mono_s)
        seen = self._seen.get(dispatch_id)
        if seen is not None:
            self.effects.append(seen.report)
        return seen is not None

    def move_windows(self, seconds: float) -> None:
        self._held = {key: order.moved(seconds) for key, order in self._held.items()}
        if self._force is not None and self._force.away_s is not None:
            self._force = replace(self._force, away_s=self._force.away_s + seconds)
        force = self._force
        if force is not None and not force.told:
            order = self._held[force.dispatch_id]
            if order.start_s > self._now.mono_s:
                # By the corrected clock, the window has not begun yet.
                self._force = None

    def end_windows(self) -> None:
        now_s, force = self._now.mono_s, self._force
        for order in [o for o in self._held.values() if not before(now_s, o.end_s)]:
            dispatch_id, at_s = order.dispatch_id, order.end_s
            if self._seen[dispatch_id].report.state is _S.STARTED:
                self._end(dispatch_id, _S.COMPLETED, at_s=at_s)
            elif force is not None and force.told and force.dispatch_id == dispatch_id:
                detail = force.complaint or "the device did not answer within the window"
                self._end(dispatch_id, _S.FAILED, _R.HARDWARE_ERROR, detail, at_s=at_s)
            else:
                self._end(dispatch_id, _S.EXPIRED, detail="its window passed unused", at_s=at_s)

    # --- the device's answers -----------------------------------------------------------

    def start(self, dispatch_id: str, mw: float) -> None:
        force = self._force
        if force is None or force.dispatch_id != dispatch_id:
            return
        was = self._seen[dispatch_id].report
        report = Report(
            dispatch_id,
            _S.STARTED,
            self._now.wall_us,
            applied_mw=mw,
            interrupted_us=force.interrupted_us(self._now.mono_s),
        )
        if force.phase is not Phase.SUSPENDED:
            interrupted_s = report.interrupted_us / 1e6
            self._force = InForce(
                dispatch_id, Phase.FOLLOWED, told=True, interrupted_s=interrupted_s
            )
        elif was.state is _S.STARTED:
            return
        else:
            # The device took the order just before it is told its failsafe.
            report = replace(report, detail=_SILENT, suspended=Suspension.LINK_SILENT)
        if report != replace(was, ts_us=report.ts_us, revision=report.revision):
            self._report(report)

    def fail(self, dispatch_id: str, detail: str, *, local: bool) -> None:
        force = self._force
        if force is None or force.dispatch_id != dispatch_id or force.phase is not Phase.TELLING:
            return
        if local:
            self._end_locally(dispatch_id, detail)
            return
        if force.attempts + 1 >= APPLY_ATTEMPTS:
            self._end(dispatch_id, _S.FAILED, _R.HARDWARE_ERROR, detail)
            return
        self._force = replace(
            force,
            phase=Phase.PAUSING,
            attempts=force.attempts + 1,
            retry_s=self._now.mono_s + APPLY_RETRY_S,
            complaint=detail,
        )

    def _end_locally(self, dispatch_id: str, detail: str) -> None:
        started = self._seen[dispatch_id].report.state is _S.STARTED
        self._end(dispatch_id, _S.FAILED if started else _S.REJECTED, _R.LOCAL, detail)

    def take_back(self, dispatch_id: str) -> None:
        """Notes that the device did not get the order, and so still follows an earlier command."""
        force = self._force
        if force is not None and force.dispatch_id == dispatch_id and force.phase is Phase.TELLING:
            self._force = replace(force, phase=Phase.DUE, told=False)
            self._returning = True

    def settle(self) -> None:
        if not self._steered():
            self._returning, self._default_due_s = False, None

    def retry_default(self) -> None:
        if not self._steered():
            self._returning, self._default_due_s = True, self._now.mono_s + DEFAULT_RETRY_S

    # --- what the device is told --------------------------------------------------------

    def steer(self) -> None:
        """Adds the command that the device must get now, if any."""
        now_s = self._now.mono_s
        if self._force is None:
            due = next((o for o in self._held.values() if o.start_s <= now_s), None)
            self._force = None if due is None else InForce(due.dispatch_id)
        if self._force is not None and self.local:
            self._end_locally(self._force.dispatch_id, _LOCAL)
        if self._force is not None:
            self._pursue(self._force)
        due_s = math.inf if self._default_due_s is None else self._default_due_s
        if due_s <= now_s and not self.local:
            self._default_due_s = None
            self.effects.append(ReturnToDefault(self._resting_mw()))

    def _pursue(self, force: InForce) -> None:
        silent = failsafe.is_due(self._was.failsafe, self._now.heard_s, self._now.mono_s)
        match force.phase:
            case Phase.SUSPENDED if silent:
                pass
            case _ if silent:
                self._suspend(force)
            case Phase.DUE | Phase.SUSPENDED:
                self._tell(force)
            case Phase.PAUSING if force.retry_s is not None and force.retry_s <= self._now.mono_s:
                self._tell(force)

    def _tell(self, force: InForce) -> None:
        self._force = replace(force, phase=Phase.TELLING, told=True, retry_s=None)
        self._returning, self._default_due_s = False, None
        order = self._held[force.dispatch_id]
        self.effects.append(Apply(order.dispatch_id, order.mw, order.ramp_mw_per_s, order.end_s))

    def _suspend(self, force: InForce) -> None:
        now_s = self._now.mono_s
        force = InForce(
            force.dispatch_id,
            Phase.SUSPENDED,
            force.told,
            complaint=force.complaint,
            away_s=now_s if force.away_s is None else force.away_s,
            interrupted_s=force.interrupted_s,
        )
        self._force = force
        if force.told:
            self._returning, self._default_due_s = True, now_s
        was = self._seen[force.dispatch_id].report
        if was.state is _S.STARTED:
            report = replace(was, ts_us=self._now.wall_us, detail=_SILENT)
            interrupted_us = force.interrupted_us(now_s)
            self._report(
                replace(report, suspended=Suspension.LINK_SILENT, interrupted_us=interrupted_us)
            )

    def _steered(self) -> bool:
        return self._force is not None and self._force.phase is not Phase.SUSPENDED

    def _resting_mw(self) -> float | None:
        if self._force is None:
            return self._was.default_mw
        return failsafe.retreat_mw(self._was.failsafe, self._was.default_mw)

    # --- what is remembered -------------------------------------------------------------

    def _end(
        self,
        dispatch_id: str,
        state: DispatchState,
        reason: DispatchReason = _R.UNSPECIFIED,
        detail: str = "",
        *,
        superseded_by: str = "",
        at_s: float | None = None,
    ) -> None:
        """``at_s`` is when the order ended; None = now."""
        at_s = self._now.mono_s if at_s is None else at_s
        seen = self._seen.pop(dispatch_id, None)
        was = Report(dispatch_id, state, 0, revision=0) if seen is None else seen.report
        interrupted_us, force = was.interrupted_us, self._force
        if force is not None and force.dispatch_id == dispatch_id:
            interrupted_us = force.interrupted_us(at_s)
            self._leave(force)
        self._held.pop(dispatch_id, None)
        report = Report(
            dispatch_id,
            state,
            self._now.wall_us_at(at_s),
            reason,
            was.applied_mw,
            detail,
            superseded_by,
            interrupted_us=interrupted_us,
            revision=was.revision + 1,
        )
        self._seen[dispatch_id] = SeenOrder(report, self._now.mono_s)
        self.effects.append(report)

    def _leave(self, force: InForce) -> None:
        """Ends the order in force; a device that is not at its default goes there."""
        retreated_mw, self._force = self._resting_mw(), None
        if force.phase is Phase.SUSPENDED:
            elsewhere = retreated_mw != self._was.default_mw
        else:
            elsewhere = force.told
        if elsewhere or self._returning:
            self._returning, self._default_due_s = True, self._now.mono_s

    def _report(self, report: Report) -> None:
        seen = self._seen.get(report.dispatch_id)
        revision = 1 if seen is None else seen.report.revision + 1
        self._seen[report.dispatch_id] = SeenOrder(replace(report, revision=revision))
        self.effects.append(self._seen[report.dispatch_id].report)

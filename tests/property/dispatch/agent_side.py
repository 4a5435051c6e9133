"""The agent's side of the pure world.

Timeline, failsafe and session clock are the real ones. In the place of the tasks is a loop that
moves only when it is given the time.
"""

from dataclasses import dataclass, field, replace

from deragent.tasks.controller import TELL_TIMEOUT_S
from deragent.timelines import asset_timeline, stepping, timed_orders
from deragent.timelines.absence import Absence, Stamp
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.timed_orders import (
    Apply,
    CancelArrived,
    Moment,
    Report,
    ReturnToDefault,
    SetpointArrived,
)
from deragent.timelines.timeline_format import SavedTimelines, read_timelines, write_timelines
from deragent.uplink.messages import read_setpoint, write_report
from deragent.uplink.session_clock import SessionClock
from derproto.configuration.fleet import Failsafe, Limits
from derproto.der import v1
from tests.support.epoch import T0

SLOW_S = 3.0
NEVER = float("inf")


@dataclass
class DeviceSide:
    """A device that keeps its record, and is upset when told to be."""

    mood: str = "well"
    told: list[tuple[float, float | None]] = field(default_factory=list)

    def answer(self, now_s: float, deadline_s: float) -> tuple[float, float, bool]:
        """When it takes a command that it is told now, when it answers, and whether well."""
        match self.mood:
            case "slow" if now_s + SLOW_S < deadline_s:
                return now_s + SLOW_S, now_s + SLOW_S, True
            case "slow":
                return NEVER, deadline_s, False
            case "mute":
                return now_s, deadline_s, False
            case "refusing":
                return NEVER, now_s, False
        return now_s, now_s, True


@dataclass
class _Telling:
    command: Apply | ReturnToDefault
    takes_s: float
    answers_s: float
    well: bool


class AgentSide:
    """One life after another of the agent of one asset; what is in ``disk`` outlives it.

    As its keeper and controller do, it says a report and tells the device an order once the
    timeline that says so is on disk; a default waits for nothing.
    """

    def __init__(self, failsafe: Failsafe, device: DeviceSide, clock_s: float) -> None:
        self.device = device
        self.clock_s = clock_s
        """The agent's clock minus the headend's."""
        self.boot = "first"
        """Names the boot of its machine; empty if that does not tell."""
        self.disk: bytes | None = None
        self.written: tuple[str, float] | None = None
        """The boot and the clock when the disk was last written."""
        self.disk_works = True
        self.timeline = self._blank = Timeline(Limits(-2.0, 2.0), 0.0, failsafe)
        self.reports: list[Report] = []
        """What is to be said on the session."""
        self.clock: SessionClock | None = None
        """Of the session that was welcomed."""
        self.heard_s = 0.0
        self._saved = self._blank
        self._unsaved: list[Report] = []
        self._order: Apply | None = None
        """What the device is to be told once its timeline is saved."""
        self._to_tell: Apply | ReturnToDefault | None = None
        self._telling: _Telling | None = None
        self._leave_s: float | None = None
        self._absence: Absence | None = None
        self._headend_zero_us: int | None = None

    def start(self, now_s: float) -> None:
        """A new life."""
        self.timeline, self.reports, self.clock = self._blank, [], None
        self._unsaved, self._order, self._to_tell, self._telling = [], None, None, None
        self.heard_s = now_s
        self._absence = self._headend_zero_us = None
        if self.disk is not None:
            recalled, stamp = read_timelines(self.disk), self._stamp(now_s)
            moment = self.moment(now_s)
            self.heard_s = recalled.heard_s(moment, stamp)
            self._absence = recalled.absence(moment, stamp)
            self.timeline = recalled.timeline("asset", self._blank, self.moment(now_s), stamp)
        force = self.timeline.in_force
        self._leave_s = None
        if force is not None and force.told:
            (followed,) = [o for o in self.timeline.held if o.dispatch_id == force.dispatch_id]
            self._leave_s = followed.end_s
        if force is None:
            # Whatever the device was told before.
            self.timeline = replace(self.timeline, returning=True, default_due_s=now_s)
        self._saved = self.timeline
        self._step(timed_orders.TimePassed(), now_s)

    def moment(self, now_s: float) -> Moment:
        return Moment(now_s, self._stamp(now_s).wall_us, self.heard_s)

    def _stamp(self, now_s: float) -> Stamp:
        wall_us = T0 + round((now_s + self.clock_s) * 1e6)
        up_us = round(now_s * 1e6)
        headend_us, doubtful_us = 0, None
        if self._headend_zero_us is not None:
            headend_us = self._headend_zero_us + up_us
        elif self._absence is not None:
            headend_us = self._absence.left_us
            doubtful_us = round((now_s - self._absence.left_s) * 1e6)
        return Stamp(wall_us, self.boot, up_us, headend_us, doubtful_us)

    def _take_headend_clock(self, clock_us: int, now_s: float) -> None:
        self._headend_zero_us = clock_us - round(now_s * 1e6)
        absence, self._absence = self._absence, None
        underestimated_s = 0.0 if absence is None else absence.underestimated_s(clock_us, now_s)
        if underestimated_s != 0:
            self._step(timed_orders.AbsenceCorrected(underestimated_s), now_s)

    # --- what happens to it --------------------------------------------------------------

    def register(self, now_s: float) -> list[v1.DispatchReport]:
        """Begins a session: what it says of dispatches, instead of what was still to be said."""
        self.reports.clear()
        self.clock = None
        # Also what is not yet saved: it waits for the disk, but not for ever.
        reports = asset_timeline.last_reports(self.timeline, self.moment(now_s))
        return [write_report(0, report) for report in reports]

    def take(self, message: v1.HeadendMessage, now_s: float) -> None:
        """A message of its session arrived."""
        self.heard_s = now_s
        if message.welcome is not None:
            self.clock = SessionClock(now_s)
            self._take_headend_clock(message.welcome.clock_us, now_s)
        assert self.clock is not None
        if message.setpoint is not None:
            self.clock.heard(message.setpoint.sent_at_session_us, now_s)
            self._step(SetpointArrived(read_setpoint(message.setpoint, self.clock)), now_s)
        elif message.alive is not None:
            self.clock.heard(message.alive.session_us, now_s)
        elif message.cancel is not None:
            cancel = message.cancel
            self._step(CancelArrived(cancel.dispatch_id, cancel.reason), now_s)
        if self.timeline.suspended:
            self._step(timed_orders.TimePassed(), now_s)

    def next_s(self) -> float:
        """When it has something to do by itself."""
        due = asset_timeline.next_deadline(self.timeline, self.heard_s)
        times = [NEVER if due is None else due, self._overstays_s()]
        if self._telling is not None:
            times += [self._telling.takes_s, self._telling.answers_s]
        return min(times)

    def work(self, now_s: float) -> None:
        """Does what is due."""
        due = asset_timeline.next_deadline(self.timeline, self.heard_s)
        if due is not None and due <= now_s:
            self._step(timed_orders.TimePassed(), now_s)
        if self._overstays_s() <= now_s:
            # As the controller does, which then has nothing else to tell.
            self._leave_s, self._to_tell = None, ReturnToDefault(0.0)
        self._speak(now_s)

    def _overstays_s(self) -> float:
        waits = self._order is not None and self._telling is None
        return NEVER if self._leave_s is None or not waits else self._leave_s

    def keep(self, now_s: float) -> None:
        """Writes what is remembered, if the disk works; what waited for that is done."""
        if not self.disk_works:
            return
        image = SavedTimelines(self._stamp(now_s), self.moment(now_s), {"asset": self.timeline})
        self.disk, self._saved = write_timelines(image), self.timeline
        self.written = (self.boot, self.clock_s)
        self.reports += self._unsaved
        self._unsaved = []
        if self._order is not None:
            self._to_tell, self._order = self._order, None
            self._speak(now_s)

    # --- inside --------------------------------------------------------------------------

    def _step(self, event: timed_orders.TimelineEvent, now_s: float) -> None:
        self.timeline, effects = stepping.step(self.timeline, event, self.moment(now_s))
        for effect in effects:
            match effect:
                case Report():
                    self._unsaved.append(effect)
                case Apply():
                    # The newest counts.
                    self._order, self._to_tell = effect, None
                case ReturnToDefault():
                    self._order, self._to_tell = None, effect
        if effects:
            self.keep(now_s)
        self._speak(now_s)

    def _speak(self, now_s: float) -> None:
        """One command at a time, the newest next."""
        telling = self._telling
        if telling is not None:
            if telling.takes_s <= now_s:
                self.device.told.append((telling.takes_s, telling.command.mw))
                telling.takes_s = NEVER
            if telling.answers_s > now_s:
                return
            self._telling = None
            if telling.well and isinstance(telling.command, ReturnToDefault):
                self._leave_s = None
            self._step(_answer(telling), now_s)
        elif self._to_tell is not None:
            command, self._to_tell = self._to_tell, None
            deadline_s = now_s + TELL_TIMEOUT_S
            if isinstance(command, Apply):
                self._leave_s = command.end_s
                deadline_s = min(deadline_s, NEVER if command.end_s is None else command.end_s)
            self._telling = _Telling(command, *self.device.answer(now_s, deadline_s))
            self._speak(now_s)


def _answer(telling: _Telling) -> timed_orders.TimelineEvent:
    command = telling.command
    if isinstance(command, ReturnToDefault):
        return timed_orders.DefaultTaken() if telling.well else timed_orders.DefaultFailed()
    if telling.well:
        return timed_orders.Applied(command.dispatch_id, command.mw)
    return timed_orders.ApplyFailed(command.dispatch_id, "upset")

"""Whatever happens to a timeline, and however often its agent is restarted:

1. At most one order is in force, inside its window, and held windows do not overlap.
2. The device is told an order only inside its window, and never again once the order ended.
3. When nothing is in force and the device answers, it is at its default; it is there too, or
   released, while the headend has been silent for too long.
4. An order ends once: what is reported after its end is the same report. Its revisions count up
   by one, and its interruption never shrinks nor exceeds its window.
5. ``next_deadline`` lies ahead, so that whoever waits for it does not spin.
6. A restart at any point, its length known or not, changes none of this; a restart of no length
   leaves the windows where they were.
"""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deragent.timelines import failsafe
from deragent.timelines.absence import Stamp
from deragent.timelines.asset_timeline import next_deadline
from deragent.timelines.stepping import DEFAULT_RETRY_S, step
from deragent.timelines.timed_orders import (
    Applied,
    Apply,
    ApplyFailed,
    CancelArrived,
    DefaultFailed,
    DefaultTaken,
    Moment,
    Phase,
    Report,
    ReturnToDefault,
    SetpointArrived,
    TimedOrder,
    TimelineEvent,
    TimePassed,
)
from deragent.timelines.timeline_format import SavedTimelines, read_timelines, write_timelines
from derproto.configuration.fleet import Failsafe, FailsafeAction
from derproto.der.v1 import DispatchState
from tests.support.dispatch.timelines import IDLE

ENDED = frozenset(DispatchState) - {
    DispatchState.UNSPECIFIED,
    DispatchState.RECEIVED,
    DispatchState.STARTED,
}
SLACK_S = 1e-4
"""Times are rounded to microseconds at each restart."""


class Lives(RuleBasedStateMachine):
    """One asset's agent, its device and the headend's word, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.timeline = replace(IDLE, failsafe=Failsafe(30.0, FailsafeAction.RELEASE))
        self.now_s = self.heard_s = 0.0
        self.wall_s = 1e6
        self.device: str | float | None = IDLE.default_mw
        """The id of the order it follows, or the MW of its default; None = released."""
        self.command: Apply | ReturnToDefault | None = None
        """What it is to be told, the newest."""
        self.windows: dict[str, tuple[float, float | None]] = {}
        self.reports: dict[str, Report] = {}
        self.ids = 0

    # --- what happens -------------------------------------------------------------------

    @rule(
        mw=st.sampled_from([1.0, -2.0, 3.0]),
        start_s=st.floats(-5, 60),
        length_s=st.none() | st.floats(0.1, 90),
        priority=st.integers(0, 2),
        ordered_us=st.integers(0, 3),
        heard=st.booleans(),
    )
    def order(
        self,
        mw: float,
        start_s: float,
        length_s: float | None,
        priority: int,
        ordered_us: int,
        heard: bool,
    ) -> None:
        self.ids += 1
        start_s += self.now_s
        end_s = None if length_s is None else start_s + length_s
        self.windows[f"d{self.ids}"] = (start_s, end_s)
        if heard:
            self.heard_s = self.now_s
        order = TimedOrder(f"d{self.ids}", mw, priority, start_s, end_s, ordered_us=ordered_us)
        self.happen(SetpointArrived(order))

    @precondition(lambda self: self.windows)
    @rule(data=st.data(), again=st.booleans())
    def repeat_or_cancel(self, data: st.DataObject, again: bool) -> None:
        dispatch_id = data.draw(st.sampled_from(sorted(self.windows)))
        self.heard_s = self.now_s
        if again:
            start_s, end_s = self.windows[dispatch_id]
            self.happen(SetpointArrived(TimedOrder(dispatch_id, 1.0, 0, start_s, end_s)))
        else:
            self.happen(CancelArrived(dispatch_id))

    @rule()
    def cancel_what_never_came(self) -> None:
        self.ids += 1
        dispatch_id = f"d{self.ids}"
        self.windows[dispatch_id] = (self.now_s, None)
        self.happen(CancelArrived(dispatch_id))
        self.happen(SetpointArrived(TimedOrder(dispatch_id, 1.0, 0, self.now_s, None)))
        assert self.reports[dispatch_id].state is DispatchState.CANCELLED

    @rule(seconds=st.floats(0.1, 40))
    def wait(self, seconds: float) -> None:
        """Time passes as the controller sees it: from deadline to deadline."""
        until_s = self.now_s + seconds
        for _ in range(200):
            due_s = next_deadline(self.timeline, self.heard_s)
            if due_s is None or due_s > until_s:
                break
            assert due_s >= self.now_s, "a deadline that was due has been left undone"
            self.move_to(due_s)
            self.happen(TimePassed())
            self.answer(works=True)
        else:
            raise AssertionError("deadlines without end")
        self.move_to(until_s)

    @rule()
    def hear(self) -> None:
        self.heard_s = self.now_s
        self.happen(TimePassed())

    @precondition(lambda self: self.command is not None)
    @rule(works=st.booleans())
    def answer(self, works: bool) -> None:
        """The device takes what it is told, or does not."""
        command, self.command = self.command, None
        if isinstance(command, Apply):
            inside = command.end_s is None or self.now_s < command.end_s
            if works and inside:
                self.follow(command)
            failed = ApplyFailed(command.dispatch_id, "bus")
            self.happen(Applied(command.dispatch_id, command.mw) if works and inside else failed)
        elif command is not None:
            if works:
                self.device = command.mw
            self.happen(DefaultTaken() if works else DefaultFailed())

    @rule(
        down_s=st.sampled_from([0.0]) | st.floats(0.1, 100),
        told=st.booleans(),
        mono_s=st.floats(-1e4, 1e4),
    )
    def restart(self, down_s: float, told: bool, mono_s: float) -> None:
        """A kill; the device stays as it was, and what it was just being told is lost."""
        stamp = self.stamp()
        image = write_timelines(SavedTimelines(stamp, self.moment(), {"asset": self.timeline}))
        shift_s = mono_s - self.now_s
        self.windows = {
            key: (start_s + shift_s - down_s, None if end_s is None else end_s + shift_s - down_s)
            for key, (start_s, end_s) in self.windows.items()
        }
        before = self.timeline
        self.now_s, self.command = mono_s, None
        self.wall_s += down_s
        # After a reboot with a clock that was set back, how long it was is not known.
        after = self.stamp() if told else Stamp(stamp.wall_us - 1, "another boot")
        recalled = read_timelines(image)
        self.heard_s = recalled.heard_s(self.moment(), after)
        blank = replace(before, held=(), in_force=None, seen={}, returning=False)
        self.timeline = recalled.timeline("asset", blank, self.moment(), after)
        if told and down_s == 0:
            assert len(self.timeline.held) == len(before.held)
        if not told:
            # The agent does not know where the windows are any more; shorter is all it may be.
            for order in self.timeline.held:
                self.windows[order.dispatch_id] = (order.start_s, order.end_s)
        self.happen(TimePassed())
        assert told or all(order.end_s is None for order in self.timeline.held)

    # --- how it goes on -----------------------------------------------------------------

    def stamp(self) -> Stamp:
        return Stamp(round(self.wall_s * 1e6), "boot", round(self.wall_s * 1e6))

    def moment(self) -> Moment:
        return Moment(self.now_s, round(self.wall_s * 1e6), self.heard_s)

    def move_to(self, at_s: float) -> None:
        self.wall_s += at_s - self.now_s
        self.now_s = at_s

    def follow(self, command: Apply) -> None:
        start_s, end_s = self.windows[command.dispatch_id]
        assert start_s - SLACK_S <= self.now_s
        assert end_s is None or self.now_s < end_s + SLACK_S
        assert self.reports[command.dispatch_id].state not in ENDED
        self.device = command.dispatch_id

    def happen(self, event: TimelineEvent) -> None:
        self.timeline, effects = step(self.timeline, event, self.moment())
        commands = [e for e in effects if not isinstance(e, Report)]
        assert len(commands) <= 1
        assert not commands or effects[-1] is commands[0]
        for command in commands:
            assert not isinstance(command, Report)
            self.command = command
        for effect in effects:
            if isinstance(effect, Report):
                self.hear_report(effect)

    def hear_report(self, report: Report) -> None:
        was = self.reports.get(report.dispatch_id)
        self.reports[report.dispatch_id] = report
        if was is not None and report.revision == was.revision:
            assert report == was
            return
        assert report.revision == (1 if was is None else was.revision + 1)
        assert was is None or was.state not in ENDED
        assert was is None or report.interrupted_us >= was.interrupted_us
        start_s, end_s = self.windows[report.dispatch_id]
        if end_s is not None:
            most_s = max(0.0, end_s - start_s) + SLACK_S * (1 + self.ids)
            assert report.interrupted_us / 1e6 <= most_s

    # --- what always holds --------------------------------------------------------------

    @invariant()
    def one_in_force_inside_its_window(self) -> None:
        held, force = self.timeline.held, self.timeline.in_force
        assert not any(a.overlaps(b) for i, a in enumerate(held) for b in held[i + 1 :])
        assert {o.dispatch_id for o in held} == {
            key for key, seen in self.timeline.seen.items() if seen.ended_s is None
        }
        if force is not None:
            assert force.dispatch_id in {o.dispatch_id for o in held}
            assert force.phase is not Phase.DUE

    @invariant()
    def the_device_is_where_it_should_be_once_it_answers(self) -> None:
        force = self.timeline.in_force
        if self.command is not None or self.timeline.returning:
            return
        if force is None:
            assert self.device == IDLE.default_mw
        elif force.phase is Phase.FOLLOWED:
            assert self.device == force.dispatch_id
        elif force.phase is Phase.SUSPENDED:
            assert self.device in (None, IDLE.default_mw)

    @invariant()
    def what_is_owed_has_a_deadline(self) -> None:
        due_s = next_deadline(self.timeline, self.heard_s)
        if self.timeline.returning and self.command is None:
            assert due_s is not None
            assert due_s <= self.now_s + DEFAULT_RETRY_S

    @invariant()
    def silence_is_noticed_and_its_end(self) -> None:
        force = self.timeline.in_force
        silent = failsafe.is_due(self.timeline.failsafe, self.heard_s, self.now_s)
        if force is not None and force.phase is Phase.SUSPENDED:
            assert silent
        elif force is not None and silent:
            due_s = next_deadline(self.timeline, self.heard_s)
            assert due_s is not None
            assert due_s <= self.now_s


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

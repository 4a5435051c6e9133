"""Faults of what the agent does with setpoints: windows, failsafe, devices, reports."""

from contextlib import AbstractContextManager
from dataclasses import replace
from unittest.mock import patch

import trio

from deragent.tasks.agent_board import AgentBoard
from deragent.tasks.controller import Controller
from deragent.timelines import failsafe, stepping
from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.timed_orders import (
    AbsenceCorrected,
    Apply,
    InForce,
    Moment,
    Phase,
    Report,
    TimedOrder,
)
from deragent.timelines.timeline_file import TimelineFile
from deragent.uplink import uplink_session
from deragent.uplink.messages import read_setpoint
from deragent.uplink.session_clock import SessionClock
from deragent.uplink.uplink_session import UplinkSession
from derproto.configuration.fleet import Failsafe
from derproto.der.v1 import DispatchState, Welcome
from tests.soak.mutations.mutation import EveryNth, Table
from tests.soak.plan import Act, Kind
from tests.support.epoch import T0

mutation = Table()
MUTATIONS = mutation.mutations

IN_WINDOW = "a dispatch stays in its window"
LEAVES = "a dispatch leaves when it ends"
OBEYS = "a dispatch obeys its failsafe"
RESUMES = "a dispatch resumes when heard"
TWICE = "a dispatch has no effect twice"
STRONGER = "a dispatch gives way to the stronger"
SAYS = "a dispatch says what the device did"
NONE_LOST = "no acknowledged order is lost, and each ends"


@mutation("timeline", "each 4th window ends 3 s late", IN_WINDOW)
def window_ends_late() -> AbstractContextManager[object]:
    read, is_due = read_setpoint, EveryNth(4)

    def read_late(*arguments: object) -> TimedOrder:
        order = read(*arguments)  # type: ignore[arg-type]
        if order.end_s is None or not is_due():
            return order
        return replace(order, end_s=order.end_s + 3.0)

    return patch.object(uplink_session, "read_setpoint", read_late)


@mutation("timeline", "a window that is to begin later begins 1 s early", IN_WINDOW)
def window_begins_early() -> AbstractContextManager[object]:
    read = read_setpoint

    def read_early(*arguments: object) -> TimedOrder:
        order = read(*arguments)  # type: ignore[arg-type]
        return replace(order, start_s=order.start_s - 1.0)

    return patch.object(uplink_session, "read_setpoint", read_early)


@mutation("timeline", "the time that a setpoint was on its way is not deducted", IN_WINDOW)
def delay_is_not_deducted() -> AbstractContextManager[object]:
    def mono_s(_clock: SessionClock, _session_us: int) -> float:
        return trio.current_time()

    return patch.object(SessionClock, "mono_s", mono_s)


@mutation(
    "timeline",
    "windows follow the agent's wall clock",
    IN_WINDOW,
    "a dispatch is at its device within 2 s while its agent is connected",
    RESUMES,
    LEAVES,
    acts=(
        Act(600.0, Kind.ORDER, 5, 600.0, 0.3),
        Act(700.0, Kind.SET_CLOCK, 1, 0.0, 3000.0),
        Act(1300.0, Kind.ORDER, 6, 600.0, 0.3),
    ),
)
def windows_follow_the_wall_clock() -> AbstractContextManager[object]:
    now = AgentBoard.now

    def now_by_wall(board: AgentBoard) -> Moment:
        moment = now(board)
        return replace(moment, mono_s=(moment.wall_us - T0) / 1e6)

    return patch.object(AgentBoard, "now", now_by_wall)


@mutation("timeline", "of two overlapping orders the earlier one wins", STRONGER, busy=True)
def superseding_is_reversed() -> AbstractContextManager[object]:
    def outranks(order: TimedOrder, newcomer: TimedOrder) -> bool:
        return order.priority <= newcomer.priority

    return patch.object(TimedOrder, "outranks", outranks)


@mutation(
    "timeline", "each 5th loser of two overlapping orders is followed too", LEAVES, TWICE, busy=True
)
def loser_stays_held() -> AbstractContextManager[object]:
    end, is_due = stepping._Turn._end, EveryNth(5)

    def end_or_not(
        turn: stepping._Turn, dispatch_id: str, state: DispatchState, *more: object, **named: object
    ) -> None:
        order = turn._held.get(dispatch_id)
        end(turn, dispatch_id, state, *more, **named)  # type: ignore[arg-type]
        if order is not None and state is DispatchState.SUPERSEDED and is_due():
            turn.effects.append(Apply(dispatch_id, order.mw, None, order.end_s))

    return patch.object(stepping._Turn, "_end", end_or_not)


@mutation(
    "timeline",
    "each 7th file of timelines is not written",
    unseen="an order that a killed agent does not remember ends as failed, which is what its device"
    " did; `tests/stream/agent/test_restart.py` sees it",
)
def timelines_are_not_saved() -> AbstractContextManager[object]:
    save, is_due = TimelineFile.save, EveryNth(7)

    def save_or_not(file: TimelineFile, data: bytes) -> None:
        if not is_due():
            save(file, data)

    return patch.object(TimelineFile, "save", save_or_not)


@mutation(
    "timeline",
    "an agent's absence is not corrected by the headend's clock",
    unseen="no machine boots anew in a run, so an agent reckons its absence by its own clock",
)
def absence_is_not_corrected() -> AbstractContextManager[object]:
    step = stepping.step

    def step_or_not(timeline: Timeline, event: object, now: Moment) -> object:
        if isinstance(event, AbsenceCorrected):
            return timeline, ()
        return step(timeline, event, now)  # type: ignore[arg-type]

    return patch.object(stepping, "step", step_or_not)


@mutation("timeline", "a device's default is told 5 s late", IN_WINDOW, LEAVES)
def default_is_told_late() -> AbstractContextManager[object]:
    back = Controller._return_to_default

    async def back_late(controller: Controller, mw: float | None) -> bool:
        await trio.sleep(5.0)
        return await back(controller, mw)

    return patch.object(Controller, "_return_to_default", back_late)


@mutation("timeline", "an order in force is told again at each Welcome", TWICE, busy=True)
def welcome_applies_again() -> AbstractContextManager[object]:
    take = UplinkSession._take_welcome

    def take_and_apply(session: UplinkSession, welcome: Welcome) -> None:
        take(session, welcome)
        for controller in session._controllers:
            force = controller.timeline.in_force
            for order in controller.timeline.held:
                if force is not None and force.dispatch_id == order.dispatch_id:
                    controller._to_tell = (0, Apply(order.dispatch_id, order.mw, None, order.end_s))
                    controller._changed.set()

    return patch.object(UplinkSession, "_take_welcome", take_and_apply)


@mutation("failsafe", "the failsafe comes after twice its time", OBEYS, busy=True)
def failsafe_comes_late() -> AbstractContextManager[object]:
    due_s = failsafe.due_s

    def due_late(terms: Failsafe, heard_s: float) -> float | None:
        return due_s(terms, heard_s + terms.after_s)

    return patch.object(failsafe, "due_s", due_late)


@mutation("failsafe", "a suspended order is never followed again", RESUMES, busy=True)
def failsafe_never_resumes() -> AbstractContextManager[object]:
    pursue = stepping._Turn._pursue

    def pursue_or_not(turn: stepping._Turn, force: InForce) -> None:
        if force.phase is not Phase.SUSPENDED:
            pursue(turn, force)

    return patch.object(stepping._Turn, "_pursue", pursue_or_not)


@mutation("reports", "each 20th report is lost", SAYS, NONE_LOST, busy=True)
def report_is_lost() -> AbstractContextManager[object]:
    add, is_due = AgentBoard.add_report, EveryNth(20)

    def add_or_not(board: AgentBoard, asset_index: int, report: Report) -> None:
        if not is_due():
            add(board, asset_index, report)

    return patch.object(AgentBoard, "add_report", add_or_not)


@mutation(
    "reports",
    "a started dispatch is reported before its device has taken it",
    SAYS,
    acts=(Act(600.0, Kind.DEVICE_ERRS, 5, 300.0), Act(605.0, Kind.ORDER, 5, 100.0, 0.3)),
)
def started_is_said_too_early() -> AbstractContextManager[object]:
    tell = stepping._Turn._tell

    def tell_and_start(turn: stepping._Turn, force: InForce) -> None:
        mw = turn._held[force.dispatch_id].mw
        tell(turn, force)
        command = turn.effects.pop()
        turn.start(force.dispatch_id, mw)
        turn.effects.append(command)

    return patch.object(stepping._Turn, "_tell", tell_and_start)


@mutation("reports", "interruptions are not counted", SAYS, busy=True)
def interruption_is_not_counted() -> AbstractContextManager[object]:
    return patch.object(InForce, "interrupted_us", lambda _force, _at_s: 0)

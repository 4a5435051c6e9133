"""What a plan must leave behind, after any sequence of inputs.

- The book holds exactly the dispatches that have not ended. Making a plan changes nothing in it.
- No dispatch waits in vain: if certainly no agent holds it, and its agent is connected and has
  room, it waits only for a better one whose window overlaps.
- No dispatch is sent while a better one overlaps.
- Every sent dispatch has the session on which it was sent.
- Every connected agent was sent each Cancel that concerns it.
- Every caller has an answer, and no deadline is due.
"""

import copy
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.dispatch.desk.book import Book
from derhead.dispatch.desk.draft import Plan, SendCancel, SendSetpoint
from derhead.dispatch.desk.inputs import (
    AgentReport,
    CancelRequested,
    DeadlineDue,
    DeskInput,
    FleetChanged,
    HeadendStarted,
    NotOpen,
    OrderRequested,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    WindowOver,
)
from derhead.dispatch.desk.planning import make_plan
from derhead.dispatch.desk.settling import overlap, rank
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.life.transitions import AT_AGENT, State
from derhead.dispatch.orders.order import AssetOrder
from tests.support.dispatch.desk_fakes import Link
from tests.support.epoch import DAY_US, T0, S

ASSETS = ("a", "b")
NAMES = tuple(f"d{n}" for n in range(5))
REPORTABLE = [state for state in State if state not in (State.PENDING, State.SENT)]

orders = st.builds(
    AssetOrder,
    asset_id=st.sampled_from(ASSETS),
    mw=st.just(1.0),
    duration_us=st.none() | st.integers(1, 60).map(lambda s: s * S),
    start_us=st.none() | st.integers(0, 120).map(lambda s: T0 + s * S),
    priority=st.sampled_from([1, 2, 2, 3]),
)
reports = st.builds(
    AgentReport,
    st.sampled_from(ASSETS),
    st.sampled_from((*NAMES[:3], *NAMES, "unknown")),
    st.builds(Reported, st.sampled_from(REPORTABLE), revision=st.integers(0, 4)),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("order"), orders),
        st.tuples(st.just("order"), orders),
        st.tuples(st.just("cancel"), st.sampled_from(NAMES)),
        st.tuples(st.just("report"), reports),
        st.tuples(st.just("report"), reports),
        st.tuples(
            st.just("open"),
            st.tuples(
                st.sampled_from([("a",), ("a", "b")]),
                st.lists(reports, max_size=3),
                st.sampled_from([64, 64, 1, 0]),
            ),
        ),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("room"), st.none()),
        st.tuples(st.just("restart"), st.none()),
        st.tuples(st.just("fleet"), st.booleans()),
        st.tuples(st.just("wait"), st.sampled_from([S, 30 * S, 900 * S, DAY_US])),
    ),
    min_size=6,
    max_size=40,
)


class Runs:
    """Batches of inputs, each planned and taken, and what holds after it."""

    def __init__(self) -> None:
        self.book = Book()
        self.now_us = T0
        self.links: list[Link] = []
        self.names = iter(NAMES)

    def inputs(self, step: tuple[str, Any]) -> list[DeskInput]:
        match step:
            case ("order", AssetOrder() as order):
                name = next(self.names, None)
                return [] if name is None else [OrderRequested(((name, order),))]
            case ("cancel", str() as name):
                return [CancelRequested(name, "not wanted")]
            case ("report", AgentReport() as report):
                return [self.own(report)]
            case ("open", (granted, reports, room)):
                self.links.append(Link(f"s{len(self.links)}", granted=granted, room=room))
                return [SessionOpened(self.links[-1], tuple(map(self.own, reports)))]
            case ("close", _) if self.links:
                return [SessionEnded(self.links[0].session_id)]
            case ("room", _) if self.links:
                self.links[-1].room = 64
                return [SessionHasRoom(self.links[-1])]
            case ("restart", _):
                self.book.links.clear()
                self.book.holders.clear()
                self.book.cancels.clear()
                self.book.orphans.clear()
                return [HeadendStarted()]
            case ("fleet", bool() as leaves):
                return [FleetChanged((), {"b": "site"}) if leaves else FleetChanged(("b",))]
            case ("wait", int() as us):
                self.now_us += us
        return []

    def own(self, report: AgentReport) -> AgentReport:
        """Of most reports, what their agent would say: the dispatch's own asset."""
        dispatch = self.book.open.get(report.dispatch_id)
        if dispatch is None or report.asset_id == "b":
            return report
        return replace(report, asset_id=dispatch.asset_id)

    def run(self, inputs: list[DeskInput]) -> None:
        due = [DeadlineDue(name) for name in self.book.pop_due(self.now_us, 100)]
        before = copy.deepcopy((self.book.open, self.book.cancels, self.book.orphans))
        rechecks = [WindowOver(asset_id) for asset_id in self.book.due_rechecks(self.now_us)]
        plan = make_plan(self.book, [*inputs, *due, *rechecks], self.now_us)
        assert (self.book.open, self.book.cancels, self.book.orphans) == before
        for ask, answer in plan.answers.items():
            assert isinstance(answer, tuple) or (
                isinstance(ask, CancelRequested) and isinstance(answer, NotOpen)
            )
        self.check_effects(plan)
        self.book.take(plan.changes, self.now_us)
        next_us = self.book.next_due_us()
        assert next_us is None or next_us > self.now_us
        for dispatch in self.book.open.values():
            assert not dispatch.ended
            assert dispatch.asset_id not in self.book.left
            self.check(dispatch)

    def check_effects(self, plan: Plan) -> None:
        for effect in plan.effects:
            match effect:
                case SendSetpoint(link, dispatch_id):
                    dispatch = plan.changes.dispatches[dispatch_id]
                    assert (dispatch.state, dispatch.session_id) == (State.SENT, link.session_id)
                    assert dispatch.cancelling is None
                    assert self.rivals(dispatch, plan) == []
                    link.send_setpoint_nowait(dispatch_id)
                case SendCancel(link, dispatch_id, asset_id, reason):
                    link.send_cancel_nowait(dispatch_id, asset_id, reason)
            assert link.setpoint_room >= 0

    def check(self, dispatch: Dispatch) -> None:
        if dispatch.state is State.SENT:
            assert dispatch.session_id in self.book.links
        holder = self.book.holders.get(dispatch.asset_id)
        if holder is None:
            return
        # An agent that is there has been asked about everything.
        assert dispatch.at_no_agent or dispatch.state is not State.PENDING
        if holder.setpoint_room <= 0:
            return
        if dispatch.cancelling is not None:
            assert self.book.cancels[dispatch.id] == holder.session_id
        if dispatch.at_no_agent:
            rivals = self.rivals(dispatch, Plan())
            assert rivals
            assert not any(each.state in AT_AGENT for each in rivals)

    def rivals(self, dispatch: Dispatch, plan: Plan) -> list[Dispatch]:
        """Those that win over it, as planned."""
        every = {**self.book.open, **plan.changes.dispatches}
        return [
            each
            for each in every.values()
            if each.asset_id == dispatch.asset_id
            and not each.ended
            and rank(each) < rank(dispatch)
            and each.cancelling is None
            and overlap(each, dispatch, self.now_us)
        ]


@settings(max_examples=400, deadline=None)
@given(steps)
def test_every_plan_leaves_a_sound_book(steps: list[tuple[str, Any]]) -> None:
    runs = Runs()
    for step in steps:
        runs.run(runs.inputs(step))


@settings(max_examples=400, deadline=None)
@given(steps)
def test_one_batch_has_the_same_outcome(steps: list[tuple[str, Any]]) -> None:
    """As many inputs as come before the desk rechecks again."""
    runs = Runs()
    inputs: list[DeskInput] = []
    for step in steps:
        if step[0] in ("wait", "restart"):
            runs.run(inputs)
            inputs = []
        inputs += runs.inputs(step)
    runs.run(inputs)

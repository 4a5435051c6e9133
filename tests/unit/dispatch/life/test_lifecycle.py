"""The life of a dispatch, event by event."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from derhead.dispatch.life.dispatches import Dispatch, with_sent_time
from derhead.dispatch.life.lifecycle import (
    NO_REPORT_US,
    AssetRemoved,
    CancelWanted,
    DeadlinePassed,
    Event,
    Forgotten,
    IllegalTransition,
    LinkLost,
    Reported,
    Sent,
    Superseded,
    next_deadline,
    step,
)
from derhead.dispatch.life.transitions import (
    AT_AGENT,
    ENDED,
    OPEN,
    REASONS,
    RESPONSES,
    TRANSITIONS,
    State,
    is_transition,
)
from derproto.der.v1 import DispatchReason
from tests.support.dispatch.dispatches import in_state, new
from tests.support.epoch import DAY_US, T0, S

REPORTABLE = [state for state in State if state not in (State.PENDING, State.SENT)]


def lost(**changes: object) -> Dispatch:
    """Pending, but it may have reached its agent: the stream it went with broke."""
    return step(in_state(State.SENT, **changes), LinkLost(), T0 + 1)


def test_the_usual_life() -> None:
    done = in_state(State.COMPLETED)
    assert [change.state for change in done.states] == [
        State.PENDING,
        State.SENT,
        State.RECEIVED,
        State.STARTED,
        State.COMPLETED,
    ]
    assert [change.at_us - T0 for change in done.states] == [0, 0, 1, 2, 3]
    assert done.applied_mw == 1.4
    assert done.attempts == 1
    assert done.session_id == "s1"


def test_only_sent_takes_the_time_of_sending() -> None:
    sent = in_state(State.SENT)
    left = with_sent_time(sent, T0 + 7)
    assert [change.at_us - T0 for change in left.states] == [0, 7]
    assert replace(left, states=sent.states) == sent
    assert with_sent_time(left, T0 + 3) is left
    for state in State:
        if state is not State.SENT:
            other = in_state(state)
            assert with_sent_time(other, T0 + 9) is other


# --- every state, every event -------------------------------------------------------------

NEVER = "raises"
SAME = "same"
P, T, R, A = State.PENDING, State.SENT, State.RECEIVED, State.STARTED

BECOMES: dict[tuple[str, str], list[State | str]] = {
    # in:                    certain,         lost,         sent,         received,     started
    ("Sent", "in time"): [T, NEVER, NEVER, NEVER, NEVER],
    ("LinkLost", "in time"): [SAME, SAME, P, SAME, SAME],
    ("Forgotten", "in time"): [SAME, P, P, State.FAILED, State.FAILED],
    ("Forgotten", "late"): [SAME, State.EXPIRED, State.EXPIRED, State.FAILED, State.FAILED],
    ("CancelWanted", "in time"): [State.CANCELLED, P, T, R, A],
    ("Superseded", "in time"): [State.SUPERSEDED, NEVER, NEVER, NEVER, NEVER],
    ("AssetRemoved", "in time"): [State.CANCELLED] * 5,
    ("DeadlinePassed", "in time"): [SAME, SAME, SAME, SAME, SAME],
    ("DeadlinePassed", "late"): [State.EXPIRED, SAME, SAME, SAME, SAME],
    ("DeadlinePassed", "a day late"): [State.EXPIRED, *[State.FAILED] * 4],
}
EVENTS: dict[str, Event] = {
    "Sent": Sent("s2"),
    "LinkLost": LinkLost(),
    "Forgotten": Forgotten(),
    "CancelWanted": CancelWanted("not wanted"),
    "Superseded": Superseded("other"),
    "AssetRemoved": AssetRemoved(),
    "DeadlinePassed": DeadlinePassed(),
}
STATES: list[Callable[[], Dispatch]] = [
    new,
    lost,
    lambda: in_state(T),
    lambda: in_state(R),
    lambda: in_state(A),
]
NOW = {"in time": T0 + 9, "late": T0 + 600 * S, "a day late": T0 + 600 * S + DAY_US}


@pytest.mark.parametrize("place", range(5), ids=["certain", "lost", "sent", "received", "started"])
@pytest.mark.parametrize(("event", "when"), BECOMES)
def test_every_open_state_and_every_event(event: str, when: str, place: int) -> None:
    before, expected = STATES[place](), BECOMES[event, when][place]
    if expected == NEVER:
        with pytest.raises(IllegalTransition):
            step(before, EVENTS[event], NOW[when])
        return
    after = step(before, EVENTS[event], NOW[when])
    if expected == SAME:
        assert after is before
    else:
        assert after.state is expected
        assert after is not before


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize(
    "event", [*EVENTS.values(), *(Reported(s, revision=9) for s in REPORTABLE)]
)
def test_no_event_changes_an_ended_dispatch(state: State, event: Event) -> None:
    ended = in_state(state)
    if isinstance(event, Sent | CancelWanted | Superseded | AssetRemoved):
        with pytest.raises(IllegalTransition):
            step(ended, event, T0 + 9)
    else:
        assert step(ended, event, T0 + 600 * S + DAY_US) is ended
    assert next_deadline(ended) is None


@pytest.mark.parametrize("state", OPEN)
@pytest.mark.parametrize("reported", REPORTABLE)
def test_reports_move_forward_or_change_nothing(state: State, reported: State) -> None:
    before = in_state(state)
    if state is State.STARTED and reported in (State.REJECTED, State.EXPIRED):
        with pytest.raises(IllegalTransition):
            step(before, Reported(reported), T0 + 9)
        return
    after = step(before, Reported(reported), T0 + 9)
    if reported is state or (state is State.STARTED and reported is State.RECEIVED):
        assert after is before
    else:
        assert after.state is reported
        assert after.states[:-1] == before.states


def test_the_table_has_exactly_the_moves_of_step() -> None:
    """Each row is reached, and the ends have no way out."""
    assert {row.before for row in TRANSITIONS} == set(OPEN)
    assert len(set(TRANSITIONS)) == len(TRANSITIONS)
    assert is_transition(State.SENT, "LinkLost", State.PENDING)
    assert not is_transition(State.STARTED, "LinkLost", State.PENDING)
    seen = {
        (before.state, name, after.state)
        for before, name, after in moves()
        if after.state is not before.state
    }
    assert seen == {(row.before, row.event, row.after) for row in TRANSITIONS}


def moves() -> list[tuple[Dispatch, str, Dispatch]]:
    """What comes of every event in every open state, withdrawn or not, in time or not."""
    befores = [make() for make in STATES]
    befores += [replace(each, cancelling="not wanted") for each in befores[1:]]
    events = [*EVENTS.items(), *(("Reported", Reported(state)) for state in REPORTABLE)]
    found = []
    for before in befores:
        for name, event in events:
            for now_us in NOW.values():
                try:
                    found.append((before, name, step(before, event, now_us)))
                except IllegalTransition:
                    continue
    return found


def test_every_reported_state_but_failed_has_a_response_type() -> None:
    assert set(RESPONSES) == set(REPORTABLE) - {State.FAILED}


# --- on its way ---------------------------------------------------------------------------


def test_a_dispatch_lost_in_sent_is_pending_and_may_have_arrived() -> None:
    dispatch = lost()
    assert dispatch.session_id == "s1"
    assert not dispatch.at_no_agent
    free = step(dispatch, Forgotten(), T0 + 2)
    assert free.at_no_agent
    assert free.states == dispatch.states
    again = step(free, Sent("s2"), T0 + 3)
    assert (again.id, again.attempts, again.session_id) == (dispatch.id, 2, "s2")


def test_a_setpoint_that_never_arrived_is_pending_again() -> None:
    free = step(in_state(State.SENT), Forgotten(), T0 + 9)
    assert free.at_no_agent
    assert [change.state for change in free.states] == [P, T, P]


@pytest.mark.parametrize("state", [State.PENDING, State.SENT])
def test_an_agent_cannot_report_the_headends_states(state: State) -> None:
    with pytest.raises(IllegalTransition):
        step(in_state(State.RECEIVED), Reported(state), T0 + 5)


# --- deadlines ----------------------------------------------------------------------------


def test_pending_expires_with_its_window_or_its_time_to_wait() -> None:
    assert next_deadline(new()) == T0 + 600 * S
    assert next_deadline(new(expires_us=T0 + 60 * S)) == T0 + 60 * S
    assert next_deadline(new(duration_us=None)) is None
    assert next_deadline(new(duration_us=None, expires_us=T0 + 9)) == T0 + 9
    early = step(new(), DeadlinePassed(), T0 + 600 * S - 1)
    assert early.state is State.PENDING


def test_a_dispatch_that_may_have_arrived_is_kept_for_a_day() -> None:
    assert next_deadline(lost(expires_us=T0 + 60 * S)) == T0 + 600 * S + NO_REPORT_US
    endless = lost(duration_us=None, expires_us=T0 + 60 * S)
    assert next_deadline(endless) == T0 + 60 * S + NO_REPORT_US
    assert next_deadline(lost(duration_us=None)) is None
    for state in (State.SENT, *AT_AGENT):
        failed = step(in_state(state), DeadlinePassed(), T0 + 600 * S + DAY_US)
        assert (failed.state, failed.reason) == (State.FAILED, "NO_REPORT")


@pytest.mark.parametrize("state", sorted(AT_AGENT))
def test_a_held_dispatch_without_an_end_has_no_deadline(state: State) -> None:
    endless = in_state(state, duration_us=None, expires_us=T0 + 60 * S)
    assert next_deadline(endless) is None
    assert step(endless, DeadlinePassed(), T0 + 10**15) is endless


# --- what a report says -------------------------------------------------------------------


def test_a_report_carries_its_reason() -> None:
    event = Reported(State.FAILED, reason="HARDWARE_ERROR", detail="no answer")
    after = step(in_state(State.RECEIVED), event, T0 + 5)
    assert (after.reason, after.detail) == ("HARDWARE_ERROR", "no answer")
    assert (after.states[-1].reason, after.states[-1].detail) == ("HARDWARE_ERROR", "no answer")


def test_suspended_and_resumed_and_ended() -> None:
    started = in_state(State.STARTED)
    suspended = step(
        started,
        Reported(
            State.STARTED,
            detail="no link",
            suspended="LINK_SILENT",
            interrupted_us=5,
            revision=3,
        ),
        T0 + 9,
    )
    assert suspended.detail == "no link"
    assert (suspended.state, suspended.suspended) == (State.STARTED, "LINK_SILENT")
    assert suspended.states == started.states
    assert suspended.applied_mw == 1.4
    resumed = step(suspended, Reported(State.STARTED, interrupted_us=70, revision=4), T0 + 90)
    assert (resumed.suspended, resumed.detail, resumed.interrupted_us) == (None, None, 70)
    stale = Reported(State.STARTED, suspended="LINK_SILENT", interrupted_us=5, revision=3)
    assert step(resumed, stale, T0 + 91) is resumed
    done = step(suspended, Reported(State.COMPLETED, interrupted_us=100, revision=5), T0 + 99)
    assert (done.state, done.suspended, done.interrupted_us) == (State.COMPLETED, None, 100)


def test_older_and_repeated_reports_change_nothing() -> None:
    started = in_state(State.STARTED)
    assert started.revision == 2
    assert step(started, Reported(State.STARTED, applied_mw=0.2, revision=1), T0 + 9) is started
    assert step(started, Reported(State.STARTED, applied_mw=0.1, revision=2), T0 + 9) is started
    newer = step(started, Reported(State.STARTED, revision=3), T0 + 9)
    assert newer == replace(started, revision=3)


def test_an_end_counts_at_any_revision() -> None:
    started = replace(in_state(State.STARTED), revision=3)
    after = step(started, Reported(State.COMPLETED, revision=3), T0 + 9)
    assert (after.state, after.revision) == (State.COMPLETED, 3)


def test_reports_in_any_order_have_the_same_outcome() -> None:
    sent = in_state(State.SENT)
    late = step(sent, Reported(State.COMPLETED, interrupted_us=7, revision=3), T0 + 9)
    for revision, state in ((1, State.RECEIVED), (2, State.STARTED)):
        assert step(late, Reported(state, revision=revision), T0 + 10) is late
    assert late.revision == 3


def test_superseded_names_its_successor() -> None:
    by_agent = step(
        in_state(State.STARTED), Reported(State.SUPERSEDED, superseded_by="other"), T0 + 9
    )
    assert by_agent.superseded_by == "other"
    assert step(new(), Superseded("other"), T0 + 9).superseded_by == "other"
    other = step(in_state(State.STARTED), Reported(State.FAILED, superseded_by="other"), T0 + 9)
    assert other.superseded_by is None


# --- withdrawn ----------------------------------------------------------------------------


def test_a_dispatch_never_sent_is_cancelled_at_once() -> None:
    cancelled = step(new(), CancelWanted("not wanted", "anna"), T0 + 9)
    assert (cancelled.state, cancelled.detail) == (State.CANCELLED, "not wanted")
    assert cancelled.withdrawn_by == "anna"


@pytest.mark.parametrize("make", STATES[1:], ids=["lost", "sent", "received", "started"])
def test_the_withdrawal_of_a_sent_dispatch_waits_for_the_report(
    make: Callable[[], Dispatch],
) -> None:
    before = make()
    asked = step(before, CancelWanted("first", "anna"), T0 + 9)
    assert (asked.state, asked.cancelling, asked.states) == (before.state, "first", before.states)
    assert step(asked, CancelWanted("second", "bert"), T0 + 10) is asked
    ended = step(asked, Reported(State.CANCELLED), T0 + 11)
    assert (ended.state, ended.withdrawn_by) == (State.CANCELLED, "anna")


@pytest.mark.parametrize("make", STATES[1:3], ids=["lost", "sent"])
def test_a_withdrawn_dispatch_that_its_agent_never_had_is_cancelled(
    make: Callable[[], Dispatch],
) -> None:
    asked = step(make(), CancelWanted("not wanted"), T0 + 9)
    ended = step(asked, Forgotten(), T0 + 10)
    assert (ended.state, ended.detail) == (State.CANCELLED, "not wanted")


def test_every_reason_of_an_agent_is_explained() -> None:
    on_the_wire = {reason.name for reason in DispatchReason if reason.value != 0}
    assert set(REASONS) == on_the_wire | {"NO_REPORT"}

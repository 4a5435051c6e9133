"""The life of a dispatch, as a table."""

from dataclasses import replace

import pytest

from derhead.dispatch.lifecycle import (
    ENDED,
    TRANSITIONS,
    DeadlinePassed,
    Dispatch,
    Event,
    Forgotten,
    IllegalTransition,
    LinkLost,
    Reported,
    Sent,
    State,
    created,
    next_deadline,
    step,
)

S = 1_000_000
T0 = 1_800_000_000 * S


def new(**changes: object) -> Dispatch:
    dispatch = Dispatch(
        id="d", asset_id="a", mw=1.5, created_us=T0, start_us=T0, duration_us=600 * S
    )
    return created(replace(dispatch, **changes))  # type: ignore[arg-type]


def in_state(state: State) -> Dispatch:
    """A dispatch that went the usual way up to ``state``."""
    dispatch = new()
    if state is State.PENDING:
        return dispatch
    dispatch = step(dispatch, Sent("s1"), T0)
    if state is State.SENT:
        return dispatch
    dispatch = step(dispatch, Reported(State.RECEIVED), T0 + 1)
    if state is State.RECEIVED:
        return dispatch
    if state in (State.REJECTED, State.EXPIRED):
        return step(dispatch, Reported(state), T0 + 2)
    dispatch = step(dispatch, Reported(State.STARTED, applied_mw=1.4), T0 + 2)
    return dispatch if state is State.STARTED else step(dispatch, Reported(state), T0 + 3)


def test_the_usual_way() -> None:
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


@pytest.mark.parametrize("state", list(State))
def test_lost_in_sent_is_pending_again_and_nothing_else_is(state: State) -> None:
    before = in_state(state)
    after = step(before, LinkLost(), T0 + 9)
    if state is State.SENT:
        assert after.state is State.PENDING
        assert after.id == before.id
        assert after.session_id is None
        assert step(after, Sent("s2"), T0 + 10).attempts == 2
    else:
        assert after is before


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("reported", [s for s in State if s not in (State.PENDING, State.SENT)])
def test_reports_move_forward_or_change_nothing(state: State, reported: State) -> None:
    before = in_state(state)
    try:
        after = step(before, Reported(reported), T0 + 9)
    except IllegalTransition:
        assert state is State.STARTED
        assert reported in (State.REJECTED, State.EXPIRED)
        return
    if after is before:
        assert state in ENDED or reported is state or reported is State.RECEIVED
    else:
        assert reported in TRANSITIONS[state]
        assert after.state is reported
        assert after.states[:-1] == before.states


def test_a_report_carries_its_reason() -> None:
    event = Reported(State.FAILED, reason="HARDWARE_ERROR", detail="no answer")
    after = step(in_state(State.RECEIVED), event, T0 + 5)
    assert (after.reason, after.detail) == ("HARDWARE_ERROR", "no answer")
    assert after.states[-1].reason == "HARDWARE_ERROR"


@pytest.mark.parametrize("state", [State.PENDING, State.SENT])
def test_an_agent_cannot_report_the_headends_states(state: State) -> None:
    with pytest.raises(IllegalTransition):
        step(in_state(State.RECEIVED), Reported(state), T0 + 5)


@pytest.mark.parametrize("state", [s for s in State if s is not State.PENDING])
def test_only_a_pending_dispatch_can_be_sent(state: State) -> None:
    with pytest.raises(IllegalTransition):
        step(in_state(state), Sent("s2"), T0 + 5)


def test_pending_expires_at_the_sooner_of_window_and_time_to_live() -> None:
    assert next_deadline(new()) == T0 + 600 * S
    assert next_deadline(new(expires_us=T0 + 60 * S)) == T0 + 60 * S
    assert next_deadline(new(duration_us=None)) is None
    assert next_deadline(new(duration_us=None, expires_us=T0 + 9)) == T0 + 9
    early = step(new(), DeadlinePassed(), T0 + 600 * S - 1)
    assert early.state is State.PENDING
    assert step(new(), DeadlinePassed(), T0 + 600 * S).state is State.EXPIRED


@pytest.mark.parametrize("state", [s for s in State if s is not State.PENDING])
def test_once_sent_the_headends_clock_ends_nothing(state: State) -> None:
    dispatch = in_state(state)
    assert next_deadline(dispatch) is None
    assert step(dispatch, DeadlinePassed(), T0 + 10**15) is dispatch


@pytest.mark.parametrize("state", list(State))
def test_forgotten_by_its_agent(state: State) -> None:
    before = in_state(state)
    after = step(before, Forgotten(), T0 + 9)
    if state in (State.RECEIVED, State.STARTED):
        assert (after.state, after.reason) == (State.FAILED, "NO_REPORT")
    else:
        assert after is before


@pytest.mark.parametrize("state", sorted(ENDED))
@pytest.mark.parametrize(
    "event",
    [LinkLost(), Reported(State.STARTED), Reported(State.FAILED), DeadlinePassed(), Forgotten()],
)
def test_nothing_follows_an_end(state: State, event: Event) -> None:
    ended = in_state(state)
    assert step(ended, event, T0 + 9) is ended

"""Any sequence of events: a dispatch ends at most once, and time alone ends it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import (
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
from derhead.dispatch.life.transitions import AT_AGENT, TRANSITIONS, State
from tests.support.dispatch.dispatches import new
from tests.support.epoch import DAY_US, T0, S

MOVES = {(row.before, row.after) for row in TRANSITIONS}

reports = st.builds(
    Reported,
    state=st.sampled_from(State),
    superseded_by=st.none() | st.just("other"),
    suspended=st.none() | st.just("LINK_SILENT"),
    interrupted_us=st.integers(0, 600 * S),
    revision=st.integers(0, 6),
)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(Sent, st.sampled_from(["s1", "s2"])),
    st.sampled_from([LinkLost(), DeadlinePassed(), Forgotten(), CancelWanted("x")]),
    st.just(Superseded("other")),
    reports,
)
steps = st.lists(st.tuples(events, st.integers(0, DAY_US // 4)), max_size=30)
dispatches = st.builds(
    new,
    duration_us=st.none() | st.integers(1, 3600 * S),
    start_us=st.integers(T0, T0 + 3600 * S),
    expires_us=st.integers(T0 + 1, T0 + 3600 * S),
)


def lived(dispatch: Dispatch, steps: list[tuple[Event, int]]) -> list[tuple[int, Dispatch]]:
    """The dispatch, and when, before all and after each event that is legal."""
    now_us = dispatch.created_us
    lives = [(now_us, dispatch)]
    for event, pause_us in steps:
        now_us += pause_us
        try:
            dispatch = step(dispatch, event, now_us)
        except IllegalTransition:
            continue
        lives.append((now_us, dispatch))
    return lives


@given(dispatches, steps)
def test_no_sequence_of_events_leads_out_of_an_end(
    dispatch: Dispatch, steps: list[tuple[Event, int]]
) -> None:
    for (_, before), (_, after) in pairwise(lived(dispatch, steps)):
        if before.ended:
            assert after is before
        if after.state is not before.state:
            assert (before.state, after.state) in MOVES
            assert len(after.states) == len(before.states) + 1
        assert after.revision >= before.revision
        assert after.interrupted_us >= before.interrupted_us
        assert after.suspended is None or after.state is State.STARTED
        assert after.superseded_by is None or after.state is State.SUPERSEDED
        assert after.states[-1].state is after.state


@given(dispatches, steps)
def test_time_alone_ends_every_dispatch_with_an_end(
    dispatch: Dispatch, steps: list[tuple[Event, int]]
) -> None:
    now_us, last = lived(dispatch, steps)[-1]
    due_us = next_deadline(last)
    if due_us is None:
        assert last.ended or (last.state in AT_AGENT and last.duration_us is None)
        return
    if now_us < due_us:
        assert step(last, DeadlinePassed(), due_us - 1) is last
    after = step(last, DeadlinePassed(), max(now_us, due_us))
    assert after.ended
    assert next_deadline(after) is None

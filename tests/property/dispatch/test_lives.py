"""Any sequence of events: a dispatch ends at most once, and time alone ends it."""

from itertools import pairwise

from hypothesis import given

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import DeadlinePassed, next_deadline, step
from derhead.dispatch.life.transitions import AT_AGENT, TRANSITIONS, State
from tests.property.dispatch.lives import Steps, dispatches, lived, steps

MOVES = {(row.before, row.after) for row in TRANSITIONS}


@given(dispatches, steps)
def test_no_sequence_of_events_leads_out_of_an_end(dispatch: Dispatch, steps: Steps) -> None:
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
def test_time_alone_ends_every_dispatch_with_an_end(dispatch: Dispatch, steps: Steps) -> None:
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

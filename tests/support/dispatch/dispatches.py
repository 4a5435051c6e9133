"""Dispatches in every state, for tests of their life."""

from dataclasses import replace

from derhead.dispatch.life.dispatches import Dispatch, created
from derhead.dispatch.life.lifecycle import Reported, Sent, step
from derhead.dispatch.life.transitions import State
from tests.support.epoch import T0, S


def new(**changes: object) -> Dispatch:
    """A dispatch of 600 s, as ordered."""
    dispatch = Dispatch(
        id="d", asset_id="a", mw=1.5, created_us=T0, start_us=T0, duration_us=600 * S
    )
    return created(replace(dispatch, **changes))  # type: ignore[arg-type]


def in_state(state: State, **changes: object) -> Dispatch:
    """A dispatch that went the usual way up to ``state``."""
    dispatch = new(**changes)
    if state is State.PENDING:
        return dispatch
    dispatch = step(dispatch, Sent("s1"), T0)
    if state is State.SENT:
        return dispatch
    dispatch = step(dispatch, Reported(State.RECEIVED, revision=1), T0 + 1)
    if state is State.RECEIVED:
        return dispatch
    if state in (State.REJECTED, State.EXPIRED):
        return step(dispatch, Reported(state, revision=2), T0 + 2)
    dispatch = step(dispatch, Reported(State.STARTED, applied_mw=1.4, revision=2), T0 + 2)
    if state is State.STARTED:
        return dispatch
    return step(dispatch, Reported(state, revision=3), T0 + 3)

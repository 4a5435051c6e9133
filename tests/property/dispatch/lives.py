"""Dispatches, events and lives of any shape."""

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
    step,
)
from derhead.dispatch.life.transitions import State
from tests.support.dispatch.dispatches import new
from tests.support.epoch import DAY_US, T0, S

Steps = list[tuple[Event, int]]
"""Events, each with the pause before it, microseconds."""


def _steps(least_revision: int) -> st.SearchStrategy[Steps]:
    reports = st.builds(
        Reported,
        state=st.sampled_from(State),
        superseded_by=st.none() | st.just("other"),
        suspended=st.none() | st.just("LINK_SILENT"),
        interrupted_us=st.integers(0, 600 * S),
        revision=st.integers(least_revision, 6),
    )
    events: st.SearchStrategy[Event] = st.one_of(
        st.builds(Sent, st.sampled_from(["s1", "s2"])),
        st.sampled_from([LinkLost(), DeadlinePassed(), Forgotten(), CancelWanted("x")]),
        st.just(Superseded("other")),
        reports,
    )
    return st.lists(st.tuples(events, st.integers(0, DAY_US // 4)), max_size=30)


steps = _steps(0)
counted_steps = _steps(1)
"""Steps of an agent that counts its reports, as every agent of ours does."""

dispatches = st.builds(
    new,
    duration_us=st.none() | st.integers(1, 3600 * S),
    start_us=st.integers(T0, T0 + 3600 * S),
    expires_us=st.integers(T0 + 1, T0 + 3600 * S),
)


def lived(dispatch: Dispatch, steps: Steps) -> list[tuple[int, Dispatch]]:
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

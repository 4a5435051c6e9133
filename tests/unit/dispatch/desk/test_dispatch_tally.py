"""What becomes of dispatches, counted."""

from dataclasses import replace

from derhead.dispatch.desk.dispatch_tally import ENDS, DispatchTally
from derhead.dispatch.life.dispatches import Dispatch, StateChange, created
from derhead.dispatch.life.transitions import State
from tests.support.epoch import T0, S

ORDERED = created(Dispatch("d", "a", 1.0, created_us=T0, start_us=T0, duration_us=60 * S))


def after(before: Dispatch, state: State, at_us: int, reason: str | None = None) -> Dispatch:
    change = StateChange(state, at_us, reason)
    return replace(before, state=state, reason=reason, states=(*before.states, change))


def follow(tally: DispatchTally, first: Dispatch, *states: tuple[State, int]) -> Dispatch:
    tally.take(None, first)
    now = first
    for state, at_us in states:
        now, before = after(now, state, at_us), now
        tally.take(before, now)
    return now


def test_each_open_dispatch_is_in_one_state() -> None:
    tally = DispatchTally()
    tally.load([ORDERED, ORDERED])
    follow(tally, ORDERED, (State.SENT, T0 + S), (State.PENDING, T0 + 2 * S))
    follow(tally, ORDERED, (State.SENT, T0 + S), (State.STARTED, T0 + 2 * S))
    assert tally.statistics().open == {"pending": 3, "sent": 0, "received": 0, "started": 1}


def test_an_end_counts_with_its_reason_and_an_unknown_reason_as_other() -> None:
    tally = DispatchTally()
    for state, reason in (
        (State.COMPLETED, None),
        (State.REJECTED, "OUT_OF_RANGE"),
        (State.FAILED, "an agent's own invention"),
    ):
        tally.take(ORDERED, after(ORDERED, state, T0 + S, reason))
    ended = tally.statistics().ended
    assert {end: count for end, count in ended.items() if count} == {
        ("completed", "NONE"): 1,
        ("rejected", "OUT_OF_RANGE"): 1,
        ("failed", "OTHER"): 1,
    }
    assert len(ended) == len(ENDS)


def test_latency_runs_from_the_order_and_to_started_from_the_window() -> None:
    tally = DispatchTally()
    later = created(replace(ORDERED, start_us=T0 + 100 * S))
    tally.take_sent(replace(later, attempts=1), T0 + S // 2)
    tally.take_sent(replace(later, attempts=2), T0 + 50 * S)
    follow(tally, later, (State.RECEIVED, T0 + 2 * S), (State.STARTED, T0 + 103 * S))
    latency = tally.statistics().latency
    assert {to: counts.total for to, counts in latency.items()} == {
        "sent": 0.5,
        "received": 2.0,
        "started": 3.0,
    }
    assert sum(latency["sent"].counts) == 1

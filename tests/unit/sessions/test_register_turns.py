"""Turns of agents that register at once."""

from bisect import bisect_right

from hypothesis import given
from hypothesis import strategies as st

from derhead.sessions.admission.register_turns import (
    REGISTERS_BURST_S,
    TURN_KEPT_S,
    TURNS_WAITING,
    RegisterTurns,
)


def test_a_few_agents_are_admitted_at_once() -> None:
    turns = RegisterTurns(256)
    assert all(turns.turn_s(f"{number}", 50) <= 50 for number in range(128))
    assert turns.turn_s("one more", 50) > 50
    assert turns.waiting(50) == 1


def test_a_rate_below_one_a_second_admits_each_in_its_turn() -> None:
    turns = RegisterTurns(0.5)
    assert [turns.turn_s(name, 10) for name in "abc"] == [10, 12, 14]


def test_3_000_agents_at_once_have_turns_in_their_order_within_15_seconds() -> None:
    turns = RegisterTurns(200)
    given = [turns.turn_s(f"{number}", 0) for number in range(3000)]
    assert given == sorted(given)
    assert 14 < given[-1] < 15


def test_an_agent_that_comes_early_keeps_its_turn() -> None:
    turns = RegisterTurns(1)
    first, second = turns.turn_s("a", 0), turns.turn_s("b", 0)
    assert (first, second) == (0, 1)
    assert turns.turn_s("b", 0.5) == 1
    assert turns.turn_s("c", 0.5) == 2
    assert turns.turn_s("b", 1) == 1
    # Its turn is taken: the next Register gets another one.
    assert turns.turn_s("b", 1) == 3


def test_a_turn_that_is_missed_is_given_anew() -> None:
    turns = RegisterTurns(1)
    for name in "abc":
        turns.turn_s(name, 0)
    assert turns.turn_s("b", 1 + TURN_KEPT_S) == 1
    assert turns.waiting(2 + TURN_KEPT_S + 0.1) == 0
    now = 2 + TURN_KEPT_S + 0.1
    assert turns.turn_s("other", now) <= now
    assert turns.turn_s("c", now) > now


def test_a_full_queue_tells_its_end_and_gives_no_turn() -> None:
    turns = RegisterTurns(1000)
    for number in range(TURNS_WAITING + 501):
        turns.turn_s(f"{number}", 0)
    assert turns.waiting(0) == TURNS_WAITING
    end_s = turns.turn_s("stranger", 0)
    assert turns.turn_s("another", 0) == end_s
    assert turns.waiting(0) == TURNS_WAITING


@given(
    rate_s=st.sampled_from([0.5, 3.0, 20.0]),
    steps=st.lists(st.tuples(st.integers(0, 60), st.floats(0, 3)), max_size=150),
)
def test_no_more_are_admitted_than_rate_and_late_turns_allow(
    rate_s: float, steps: list[tuple[int, float]]
) -> None:
    turns, now, admitted = RegisterTurns(rate_s), 0.0, list[float]()
    for number, later_s in steps:
        now += later_s
        turn_s = turns.turn_s(f"{number}", now)
        if turn_s <= now:
            admitted.append(now)
        assert turns.waiting(now) <= TURNS_WAITING
    for first, start in enumerate(admitted):
        for window_s in (0, 1, 10):
            count = bisect_right(admitted, start + window_s) - first
            spare_s = REGISTERS_BURST_S + TURN_KEPT_S
            assert count <= rate_s * (window_s + spare_s) + 2

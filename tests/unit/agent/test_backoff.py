"""When an agent reconnects."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.uplink.backoff import HEALTHY_S, LAST_CEILING_S, Backoff

draws = st.floats(0, 1)


def test_the_ceiling_doubles_to_five_seconds() -> None:
    backoff, ceilings = Backoff(), []
    for _ in range(7):
        backoff, wait_s = backoff.after(now_s=100, draw=1)
        ceilings.append(wait_s)
    assert ceilings == [0.5, 1, 2, 4, 5, 5, 5]


def test_then_it_is_a_quarter_of_the_outage_up_to_half_a_minute() -> None:
    backoff, now_s, waits = Backoff(), 0.0, dict[int, float]()
    for _ in range(99):
        backoff, wait_s = backoff.after(now_s=now_s, draw=1)
        waits[int(now_s)] = wait_s
        now_s += wait_s
    assert max(wait_s for at, wait_s in waits.items() if at < 20) == 5
    assert max(wait_s for at, wait_s in waits.items() if at < 60) < 15.5
    assert max(waits.values()) == LAST_CEILING_S == 30


def test_an_agent_that_tried_for_a_year_still_waits_no_longer() -> None:
    backoff = Backoff(10**6, 3e7, 3e7)
    assert backoff.after(now_s=3e7 + 30, draw=1)[1] == 30


@given(draw=draws, long_ago=st.integers(0, 10**6), lived_s=st.floats(HEALTHY_S, 10**7))
def test_the_first_retry_after_a_healthy_session_is_soon(
    draw: float, long_ago: int, lived_s: float
) -> None:
    backoff = Backoff(long_ago, float(long_ago), 0)
    after, wait_s = backoff.after(now_s=lived_s + 9, draw=draw, lived_s=lived_s)
    assert wait_s <= 0.5
    assert (after.failures, after.away_s) == (1, 0)


@given(outage_s=st.floats(0, 3600), seed=st.integers(0, 10**6))
def test_no_agent_waits_longer_than_a_quarter_of_the_outage_and_five_seconds(
    outage_s: float, seed: int
) -> None:
    rng = random.Random(seed)
    now_s, backoff = 1000.0, Backoff(30, 500, 0)
    backoff, wait_s = backoff.after(now_s=now_s, draw=rng.random(), lived_s=900)
    back_at = now_s + outage_s
    while now_s + wait_s < back_at:
        now_s += wait_s
        backoff, wait_s = backoff.after(now_s=now_s, draw=rng.random())
    more_s = now_s + wait_s - back_at
    assert more_s <= min(30, max(5, outage_s / 4))


def test_short_sessions_are_no_outage_and_do_not_start_anew() -> None:
    backoff, _ = Backoff(9, 100, 0).after(now_s=31, draw=0, lived_s=30)
    assert backoff == Backoff(10, 101, 31)


def test_the_wait_is_uniform_from_nothing_to_the_ceiling() -> None:
    rng = random.Random(1)
    backoff = Backoff(9, 400, 0)
    waits = sorted(backoff.after(now_s=0, draw=rng.random())[1] for _ in range(3000))
    # A fleet of 3,000 comes evenly over the half minute: each second has its hundred.
    seconds = [sum(int(wait_s) == second for wait_s in waits) for second in range(30)]
    assert min(seconds) > 60
    assert max(seconds) < 150
    assert max(later - earlier for earlier, later in pairwise(waits)) < 0.2


def test_the_headends_hint_comes_before_the_jitter() -> None:
    assert Backoff().after(now_s=0, draw=0, reconnect_after_s=30)[1] == 30
    assert Backoff().after(now_s=0, draw=1, reconnect_after_s=30)[1] == 30.5


@pytest.mark.parametrize("draw", [0, 0.5, 1])
def test_an_agent_with_a_turn_comes_within_a_second_of_it(draw: float) -> None:
    backoff = Backoff(40, 600, 0)
    after, wait_s = backoff.after(now_s=1, draw=draw, reconnect_after_s=12, has_turn=True)
    assert wait_s == 12 + draw
    assert after.failures == 41

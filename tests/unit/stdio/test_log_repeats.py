"""Which repeated log lines are left out, and when that is told."""

from derproto.stdio.log_repeats import LINES_A_PERIOD, PERIOD_S, TEXTS, RepeatLimit


def admitted(limit: RepeatLimit, count: int, now_s: float, text: str = "bad %s") -> int:
    return sum(limit.admits("derhead", text, now_s) for _ in range(count))


def test_a_period_has_a_bound_of_lines_and_counts_the_rest() -> None:
    limit = RepeatLimit()
    assert admitted(limit, LINES_A_PERIOD + 10, 0.0) == LINES_A_PERIOD
    assert limit.take_left_out(PERIOD_S - 0.1) == []
    assert limit.take_left_out(PERIOD_S) == [(("derhead", "bad %s"), 10)]
    assert limit.take_left_out(PERIOD_S) == []
    assert admitted(limit, LINES_A_PERIOD + 10, PERIOD_S) == LINES_A_PERIOD


def test_a_period_that_left_nothing_out_ends_in_silence() -> None:
    limit = RepeatLimit()
    for period in range(5):
        assert admitted(limit, LINES_A_PERIOD, period * PERIOD_S) == LINES_A_PERIOD
        assert limit.take_left_out(period * PERIOD_S) == []


def test_other_lines_are_not_held_back() -> None:
    limit = RepeatLimit()
    admitted(limit, 10_000, 0.0)
    assert limit.admits("derhead", "good", 0.0)
    assert limit.admits("derhead.sessions", "bad %s", 0.0)


def test_left_out_lines_can_be_asked_for_early() -> None:
    limit = RepeatLimit()
    admitted(limit, LINES_A_PERIOD + 1, 0.0)
    assert limit.take_left_out(1.0, all_of_them=True) == [(("derhead", "bad %s"), 1)]


def test_texts_without_end_count_together_and_cost_bounded_memory() -> None:
    limit = RepeatLimit()
    texts = TEXTS + 5 * LINES_A_PERIOD
    written = sum(limit.admits("derhead", f"text {n}", 0.0) for n in range(texts))
    assert written == TEXTS + LINES_A_PERIOD
    assert len(limit._windows) == TEXTS + 1
    assert limit.take_left_out(PERIOD_S) == [(("derhead", ""), 4 * LINES_A_PERIOD)]
    assert limit.admits("derhead", "text of later", PERIOD_S)


def test_a_clock_that_is_set_back_begins_a_new_period() -> None:
    limit = RepeatLimit()
    admitted(limit, LINES_A_PERIOD, 1_000.0)
    assert limit.admits("derhead", "bad %s", 10.0)

"""The size of backfill follows its acknowledgements."""

from deragent.uplink.backfill_pace import (
    FIRST_ROWS,
    LATE_S,
    LEAST_ROWS,
    SOON_S,
    BackfillPace,
)


def test_soon_acknowledged_it_doubles_up_to_the_most() -> None:
    pace, sizes = BackfillPace(1000), []
    for _ in range(6):
        sizes.append(pace.rows)
        pace.note(SOON_S)
    assert sizes == [FIRST_ROWS, 100, 200, 400, 800, 1000]


def test_late_it_shrinks_down_to_the_least() -> None:
    pace = BackfillPace(1000)
    for _ in range(9):
        pace.note(LATE_S + 0.1)
    assert pace.rows == LEAST_ROWS


def test_in_between_it_stays() -> None:
    pace = BackfillPace(1000)
    pace.note(LATE_S)
    assert pace.rows == FIRST_ROWS


def test_the_headends_bound_counts_even_below_the_least() -> None:
    pace = BackfillPace(2)
    assert pace.rows == 2
    pace.note(LATE_S + 1)
    assert pace.rows == 2

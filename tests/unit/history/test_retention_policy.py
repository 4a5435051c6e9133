"""What the journal may forget, and when it must stop growing."""

from dataclasses import replace

import pytest

from derhead.history.retention import policy
from derhead.history.retention.policy import (
    DAY_US,
    HOUR_US,
    NOTHING_FED,
    Cutoff,
    RetentionLimits,
    Sizes,
    Spared,
)
from tests.support.epoch import T0

LIMITS = RetentionLimits(keep_us=30 * DAY_US, max_bytes=1_000_000)
SMALL = Sizes(page_bytes=1000, pages=900, free_pages=0, wal_bytes=0)
LARGE = replace(SMALL, pages=1050)
HUGE = replace(SMALL, pages=2000)


def test_age_is_counted_in_whole_hours() -> None:
    cut = policy.by_age(LIMITS, T0)
    samples_us = cut.samples_us
    assert cut == Cutoff(
        samples_us, samples_us, samples_us, audit_us=cut.audit_us, levels_us=T0 - 8 * DAY_US
    )
    assert cut.samples_us % HOUR_US == 0
    assert T0 - 30 * DAY_US - HOUR_US < cut.samples_us <= T0 - 30 * DAY_US


@pytest.mark.parametrize(("sizes", "share"), [(LARGE, 100 / 1050), (HUGE, 0.2)])
def test_a_cutoff_by_size_moves_with_the_excess(sizes: Sizes, share: float) -> None:
    oldest = T0 - 10 * DAY_US
    cut = policy.by_size(LIMITS, sizes, oldest, policy.by_age(LIMITS, T0), T0)
    assert cut.samples_us == cut.heartbeats_us
    assert cut.samples_us - oldest == pytest.approx(10 * DAY_US * share, abs=1)
    # Records of orders keep their promised time.
    assert cut.records_us == policy.by_age(LIMITS, T0).records_us


def test_a_cutoff_by_size_spares_the_last_hour() -> None:
    cut = policy.by_size(LIMITS, HUGE, T0 - HOUR_US - 1, policy.by_age(LIMITS, T0), T0)
    assert cut.samples_us <= T0 - HOUR_US


def test_a_cutoff_by_size_is_never_before_that_by_age() -> None:
    aged = policy.by_age(LIMITS, T0)
    assert policy.by_size(LIMITS, LARGE, T0 - 1000 * DAY_US, aged, T0) == aged


@pytest.mark.parametrize(
    ("from_us", "then"),
    [
        (None, 7),
        (3, 7),
        (T0 - 2 * HOUR_US, T0 - 2 * HOUR_US),
        # The headend's clock was ahead when it last deleted rows.
        (T0 + DAY_US, 7),
    ],
)
def test_rows_that_come_after_their_time_was_deleted_do_not_set_the_cutoff_back(
    from_us: int | None, then: int
) -> None:
    assert policy.oldest_left(7, from_us, T0) == then


@pytest.mark.parametrize(
    ("gb", "assets", "kept"),
    [
        (10, 0, 2_000),
        (10, 100, 2_000),
        (10, 5_000, 714),
        (10, 16_000, 223),
        (10, 100_000, 128),
        (1, 5_000, 128),
    ],
)
def test_the_gaps_of_all_assets_share_a_quarter_of_the_journal(
    gb: int, assets: int, kept: int
) -> None:
    assert policy.gaps_kept(RetentionLimits(max_bytes=gb * policy.GB), assets) == kept


@pytest.mark.parametrize(
    ("spared", "left"),
    [
        (Spared(), Cutoff(7, 8, 9)),
        (Spared(5, 20), Cutoff(5, 8, 9)),
        (Spared(None, 6), Cutoff(7, 6, 6)),
    ],
)
def test_rows_that_were_not_fed_are_spared(spared: Spared, left: Cutoff) -> None:
    assert Cutoff(7, 8, 9).sparing(spared) == left


def test_no_row_is_deleted_before_the_walk_has_fed_it() -> None:
    assert Cutoff(7, 8, 9).sparing(NOTHING_FED).samples_us < -(2**61)


@pytest.mark.parametrize(
    ("sizes", "spared", "droppable", "why"),
    [
        (SMALL, Spared(), False, None),
        (LARGE, Spared(), True, None),
        (HUGE, Spared(), True, "rows come in faster than they can be dropped"),
        (LARGE, Spared(), False, "no row is old enough to be dropped; raise the bound"),
        (LARGE, Spared(3, 4), False, "PostgreSQL lacks the rows"),
        (LARGE, NOTHING_FED, False, "PostgreSQL lacks the rows"),
    ],
)
def test_telemetry_is_held_when_nothing_can_be_dropped(
    sizes: Sizes, spared: Spared, droppable: bool, why: str | None
) -> None:
    found = policy.why_hold(LIMITS, sizes, spared, droppable=droppable)
    if why is None:
        assert found is None
    else:
        assert found is not None
        assert why in found
        assert "0.001 GB (retention.max_gb)" in found


def test_free_pages_beyond_what_is_needed_soon_are_given_back() -> None:
    assert policy.pages_to_give_back(Sizes(4096, 100_000, 16_384, 0)) == 0
    assert policy.pages_to_give_back(Sizes(4096, 100_000, 16_484, 0)) == 100


@pytest.mark.parametrize(
    ("rows", "took_s", "then"),
    [(2000, 0.0, 4000), (2000, 0.05, 1000), (2000, 0.005, 4000), (200, 1.0, 200)],
)
def test_a_transaction_that_deletes_takes_about_25_ms(rows: int, took_s: float, then: int) -> None:
    assert policy.next_rows(rows, took_s) == then
    assert policy.next_rows(20_000, 0.0) == 20_000

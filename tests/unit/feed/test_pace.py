"""The pace and course of a backlog; days and their partitions; pauses after failures."""

import pytest

from derhead.history.feed.feed_health import FeedHealth, retry_s
from derhead.history.feed.pace import CATCH_UP_ROWS, Course, Pace
from derhead.history.postgres.connections.causes import ADVICE, StoreCause, Trouble, cause_of
from derhead.history.postgres.tables.days import (
    DAY_US,
    day_of,
    free_name,
    partition_name,
    read_bound,
    wanted,
)


def test_over_any_period_the_pace_holds() -> None:
    pace = Pace(1_000)
    now_s = gone = 0.0
    for _ in range(20):
        now_s += pace.wait_s(now_s)
        pace.spent(500, now_s)
        gone += 500
        assert gone <= 1_000 * now_s + 500
    assert now_s == pytest.approx(9.5)


def test_a_pause_saves_up_nothing() -> None:
    pace = Pace(1_000)
    pace.spent(500, 0.0)
    assert pace.wait_s(100.0) == 0
    pace.spent(500, 100.0)
    assert pace.wait_s(100.0) == pytest.approx(0.5)


def test_only_a_large_backlog_is_fed_from_both_ends() -> None:
    course = Course()
    course.look(CATCH_UP_ROWS, 7)
    assert course.in_order
    course.look(CATCH_UP_ROWS + 1, 7)
    assert (course.backlog_before, course.live_after) == (8, 7)
    course.live_after = 20
    course.look(CATCH_UP_ROWS * 2, 30)
    assert (course.backlog_before, course.live_after) == (8, 20), "it has set out already"
    course.caught_up()
    assert course.in_order


def test_pauses_grow_and_are_never_zero() -> None:
    assert [retry_s(n, 1.0) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 15, 15]
    assert retry_s(1, 0.0) == 0.25
    assert retry_s(10_000, 0.0) == 7.5


def test_a_cause_and_its_end_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    health = FeedHealth("db.example/derhead")
    for _ in range(3):
        health.note_failure(Trouble(StoreCause.UNREACHABLE, "nobody listens"), 1_000_000)
    health.note_failure(Trouble(StoreCause.PASSWORD, "wrong"), 2_000_000)
    health.note_success(5_000_000)
    health.note_success(6_000_000)
    first, second, again = caplog.text.splitlines()
    for line, cause in ((first, "unreachable"), (second, "password")):
        assert 'event="PostgreSQL cannot be fed: everything stays in the journal meanwhile"' in line
        assert f"address=db.example/derhead cause={cause} reason=" in line
    assert 'event="PostgreSQL is fed again" failed_s=4.0 ' in again
    assert (health.failed, health.failures, health.trouble) == (4, 0, None)


@pytest.mark.parametrize(
    ("sqlstate", "cause"),
    [
        (None, StoreCause.UNREACHABLE),
        ("08006", StoreCause.UNREACHABLE),
        ("57P01", StoreCause.UNREACHABLE),
        ("57014", StoreCause.INTERRUPTED),
        ("40001", StoreCause.INTERRUPTED),
        ("25006", StoreCause.READ_ONLY),
        ("42501", StoreCause.RIGHTS),
        ("28P01", StoreCause.PASSWORD),
        ("3D000", StoreCause.NO_DATABASE),
        ("53100", StoreCause.FULL),
        ("22021", StoreCause.VALUE),
        ("23505", StoreCause.VALUE),
        ("XX000", StoreCause.OTHER),
    ],
)
def test_errors_are_sorted_by_what_to_do(sqlstate: str | None, cause: StoreCause) -> None:
    assert cause_of(sqlstate) is cause


def test_every_cause_has_advice() -> None:
    assert set(ADVICE) == set(StoreCause)


NOW_US = 20_000 * DAY_US + 5


def test_only_days_within_the_kept_time_get_partitions() -> None:
    days = {
        day_of(us) for us in (0, -1, NOW_US, NOW_US - 30 * DAY_US, NOW_US + 400 * DAY_US, 2**62)
    }
    assert wanted(days, NOW_US, 400) == {19_970, 20_000, 20_001, 20_002}
    assert wanted(days, NOW_US, 10) == {20_000, 20_001, 20_002}
    assert wanted((), NOW_US, 400) == {20_000, 20_001, 20_002}


def test_days_begin_at_midnight_also_before_the_epoch() -> None:
    assert [day_of(us) for us in (-1, 0, DAY_US - 1, DAY_US)] == [-1, 0, 0, 1]


def test_partitions_are_named_by_date() -> None:
    assert partition_name(20_000) == "telemetry_20241004"
    assert free_name("telemetry_x", ()) == "telemetry_x"
    assert free_name("telemetry_x", ["telemetry_x", "telemetry_x_2"]) == "telemetry_x_3"


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("FOR VALUES FROM ('86400000000') TO ('172800000000')", (DAY_US, 2 * DAY_US)),
        ("FOR VALUES FROM ('-86400000000') TO ('0')", (-DAY_US, 0)),
        ("DEFAULT", None),
        ("FOR VALUES FROM (MINVALUE) TO ('0')", None),
    ],
)
def test_bounds_of_partitions_are_read(text: str, bound: tuple[int, int] | None) -> None:
    assert read_bound(text) == bound

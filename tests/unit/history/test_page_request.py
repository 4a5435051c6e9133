"""A page that is asked for: ranges have ends that every store takes, and limits are checked."""

import pytest

from derhead.history.sql.page_request import END_US, EVER, MIN_US, PageRequest, TimeRange


def test_open_and_far_ends_of_a_range_are_integers_of_the_stores() -> None:
    assert (EVER.low_us, EVER.high_us) == (MIN_US, END_US)
    far = TimeRange(-(10**30), 10**30)
    assert (far.low_us, far.high_us) == (MIN_US, END_US)
    assert (TimeRange(3, 9).low_us, TimeRange(3, 9).high_us) == (3, 9)


def test_a_range_is_empty_if_it_ends_where_it_begins() -> None:
    assert TimeRange(5, 5).is_empty
    assert not TimeRange(5, 6).is_empty
    assert not TimeRange(to_us=5).is_empty


def test_a_range_until_a_time_never_grows() -> None:
    assert TimeRange(1).until(5) == TimeRange(1, 5)
    assert TimeRange(1, 9).until(5) == TimeRange(1, 5)
    assert TimeRange(1, 4).until(5) == TimeRange(1, 4)


@pytest.mark.parametrize("limit", [0, -1, 10**17])
def test_a_limit_that_no_store_takes_cannot_be_asked_for(limit: int) -> None:
    with pytest.raises(ValueError, match="limit is"):
        PageRequest(limit)

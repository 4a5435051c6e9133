"""Windows: half-open, shortened by lateness, and never longer than ordered."""

from hypothesis import given
from hypothesis import strategies as st

from derproto.base.windows import Window

times = st.integers(0, 12)
windows = st.builds(Window, times, st.none() | times)
MOMENTS = range(14)
"""Every moment that these windows know, and one after all of their ends."""


def contains(window: Window, at: int) -> bool:
    return window.start_us <= at and not window.is_over(at)


def moments(window: Window) -> set[int]:
    return {at for at in MOMENTS if contains(window, at)}


def test_the_start_belongs_to_a_window_and_the_end_does_not() -> None:
    window = Window.lasting(10, 5)
    assert window == Window(10, 15)
    assert [contains(window, at) for at in (9, 10, 14, 15)] == [False, True, True, False]
    assert not window.is_over(14)
    assert window.is_over(15)


def test_a_window_without_an_end_is_never_over() -> None:
    window = Window.lasting(10, None)
    assert window.duration_us is None
    assert contains(window, 2**62)
    assert not window.is_over(2**62)


def test_windows_that_only_meet_do_not_overlap() -> None:
    assert not Window(0, 10).overlaps(Window(10, 20))
    assert Window(0, 11).overlaps(Window(10, 20))


@given(windows, windows)
def test_windows_overlap_exactly_if_they_share_a_moment(one: Window, other: Window) -> None:
    assert one.overlaps(other) == bool(moments(one) & moments(other))
    assert one.overlaps(other) == other.overlaps(one)


@given(windows, times)
def test_the_remaining_window_begins_now(window: Window, now_us: int) -> None:
    assert moments(window.remaining(now_us)) == {at for at in moments(window) if at >= now_us}
    assert window.remaining(now_us).end_us == window.end_us


@given(windows, times, times)
def test_an_order_expires_no_later_than_its_window(
    window: Window, ordered_us: int, wait_us: int
) -> None:
    expires_us = window.expires_us(ordered_us, wait_us)
    assert window.end_us is None or expires_us <= window.end_us
    assert expires_us <= max(ordered_us, window.start_us) + wait_us


def test_the_wait_for_an_agent_counts_from_the_later_of_order_and_start() -> None:
    assert Window(100).expires_us(ordered_us=50, wait_us=9) == 109
    assert Window(100).expires_us(ordered_us=200, wait_us=9) == 209
    assert Window(100, 105).expires_us(ordered_us=50, wait_us=9) == 105

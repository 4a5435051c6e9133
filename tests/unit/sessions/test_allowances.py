"""The rate of an agent's messages, without a clock."""

from hypothesis import given
from hypothesis import strategies as st

from derhead.sessions.streams.allowances import TokenBucket


@given(
    rate_s=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    pauses=st.lists(st.floats(0, 2), max_size=200),
)
def test_no_window_grants_more_than_its_rate_and_a_burst(
    rate_s: float, burst: int, pauses: list[float]
) -> None:
    bucket, now, granted = TokenBucket(rate_s, burst, 0.0), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if bucket.take_nowait(now):
            granted.append(now)
    for number, start in enumerate(granted):
        for later, end in enumerate(granted[number:], 1):
            assert later <= burst + (end - start) * rate_s + 1e-6


@given(rate_s=st.floats(0.1, 1000), burst=st.integers(1, 50))
def test_a_waiting_sender_keeps_the_rate(rate_s: float, burst: int) -> None:
    bucket, now = TokenBucket(rate_s, burst, 0.0), 0.0
    for _ in range(burst):
        assert bucket.take(now) == 0
    waited = 0.0
    for _ in range(20):
        wait_s = bucket.take(now)
        assert wait_s > 0
        now += wait_s
        waited += wait_s
    assert abs(waited - 20 / rate_s) < 1e-6 * (1 + waited)


def test_a_slow_sender_never_waits() -> None:
    bucket = TokenBucket(2.0, 1, 0.0)
    assert [bucket.take(second / 2) for second in range(100)] == [0.0] * 100

"""Quantiles of counted latencies against the latencies themselves."""

import math
from random import Random

import pytest

from derhead.service_levels import DISPATCH_US, Latencies


def test_a_quantile_is_at_most_a_tenth_above_the_exact_one_and_never_below() -> None:
    rng = Random(7)
    exact = sorted(round(rng.lognormvariate(11, 2)) for _ in range(5_000))
    counted = Latencies()
    for us in exact:
        counted.take(us)
    for share in (0.5, 0.9, 0.99, 0.999, 1.0):
        wanted = exact[math.ceil(share * len(exact)) - 1]
        found = counted.quantile_us(share)
        assert found is not None
        # Bounds are whole microseconds, and everything up to 1 ms is one bucket.
        assert wanted - 1 <= found <= max(1.0906 * wanted, 1_000)
    assert counted.total == len(exact)
    assert counted.late == sum(us > DISPATCH_US for us in exact)


def test_two_seconds_are_in_time_and_a_microsecond_more_is_late() -> None:
    counted = Latencies()
    for us in (-5, 0, 1, DISPATCH_US):
        counted.take(us)
    assert counted.late == 0
    counted.take(DISPATCH_US + 1)
    assert counted.late == 1


def test_counts_add_up_and_survive_their_text() -> None:
    one, other = Latencies(), Latencies()
    one.take(20_000)
    other.take(20_000)
    other.take(10**12)
    one.add(other)
    assert one.total == 3
    assert Latencies.parse(one.text()) == one
    assert Latencies().text() is None
    assert Latencies.parse(None) == Latencies()


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_without_latencies_there_is_no_quantile(share: float) -> None:
    assert Latencies().quantile_us(share) is None

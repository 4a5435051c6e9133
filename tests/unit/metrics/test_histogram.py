"""Histograms, and how Prometheus gets them."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram as Reference

from derproto.metrics.exposition import Metrics
from derproto.metrics.families import histogram
from derproto.metrics.histogram import QUICK_S, Histogram


def test_a_value_counts_up_to_its_bound_and_including_it() -> None:
    sizes = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 3.0, -4.0):
        sizes.take(value)
    assert sizes.counts().counts == (3, 1, 1)
    assert sizes.counts().total == 6.0


@given(st.lists(st.floats(0, 100), max_size=30))
def test_prometheus_own_histogram_says_the_same(values: list[float]) -> None:
    ours, theirs = (
        Histogram(QUICK_S),
        Reference("x", "X.", buckets=QUICK_S, registry=None),
    )
    for value in values:
        ours.take(value)
        theirs.observe(value)
    metrics, reference = Metrics(), Metrics()
    metrics.add(lambda: [histogram("x", "X.", ours.counts())])
    reference.add(theirs.collect)

    def lines(of: Metrics) -> list[str]:
        return [line for line in of.render()[0].decode().splitlines() if "_created" not in line]

    assert lines(metrics) == lines(reference)

"""Families of metrics from plain numbers. Pure."""

from collections.abc import Mapping, Sequence
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

from derproto.metrics.histogram import HistogramCounts


def counter(name: str, meaning: str, value: float) -> Metric:
    """A number that only grows; its name gets ``_total``."""
    return CounterMetricFamily(name, meaning, value=value)


def counter_by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Numbers that only grow, one for each value of a label."""
    family = CounterMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def counter_by_each(
    name: str, meaning: str, labels: Sequence[str], values: Mapping[tuple[str, str], float]
) -> Metric:
    """Numbers that only grow, one for each pair of the labels' values."""
    family = CounterMetricFamily(name, meaning, labels=labels)
    for each, value in values.items():
        family.add_metric(each, value)
    return family


def gauge(name: str, meaning: str, value: float) -> Metric:
    """A number that goes up and down."""
    return GaugeMetricFamily(name, meaning, value=value)


def gauge_by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Numbers that go up and down, one for each value of a label."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def histogram(name: str, meaning: str, counts: HistogramCounts) -> Metric:
    """Values by size."""
    return HistogramMetricFamily(name, meaning, buckets=_cumulative(counts), sum_value=counts.total)


def histogram_by(
    name: str, meaning: str, label: str, values: Mapping[str, HistogramCounts]
) -> Metric:
    """Values by size, for each value of a label."""
    family = HistogramMetricFamily(name, meaning, labels=[label])
    for each, counts in values.items():
        family.add_metric([each], buckets=_cumulative(counts), sum_value=counts.total)
    return family


def _cumulative(counts: HistogramCounts) -> list[tuple[str, float]]:
    """The counts as Prometheus wants them: each of all values up to its bound."""
    bounds = (*map(floatToGoString, counts.bounds), "+Inf")
    return list(zip(bounds, map(float, accumulate(counts.counts)), strict=True))

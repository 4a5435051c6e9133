"""Families of metrics from plain numbers. Pure."""

from collections.abc import Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric


def counter(name: str, meaning: str, value: float) -> Metric:
    """A number that only grows; its name gets ``_total``."""
    return CounterMetricFamily(name, meaning, value=value)


def counter_by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Numbers that only grow, one for each value of a label."""
    family = CounterMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
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

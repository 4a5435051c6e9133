"""The headend's figures in Prometheus' text format.

A registry of our own, so that nothing is global: two headends in one process, as in a test,
count apart. Nothing is counted here. A part counts for itself, in the statistics that it
shows anyway, and adds a function that turns them into metric families at each scrape.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Metrics:
    """What ``/metrics`` shows."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

    def add(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Families to show after those there are; ``collect`` is called at each scrape.

        It reads what its part keeps in memory: it neither waits nor touches a disk. Names
        begin with ``derhead_`` and end with their unit.
        """
        self._registry.register(_Collector(collect))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The text, in the best format that an ``Accept`` header asks for, and its type."""
        try:
            encode, content_type = choose_encoder(accept if accept.isascii() else "")
        except TypeError:
            # Its version is no number, which the library compares with one.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()


def counter(name: str, meaning: str, value: float) -> Metric:
    """A number that only grows; ``_total`` is added to its name."""
    return CounterMetricFamily(name, meaning, value=value)


def counter_by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Numbers that only grow, one for each value of a label."""
    family = CounterMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family


def gauge(name: str, meaning: str, value: float) -> Metric:
    """A number as it is now."""
    return GaugeMetricFamily(name, meaning, value=value)


def gauge_by(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    """Numbers as they are now, one for each value of a label."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for each, value in values.items():
        family.add_metric([each], value)
    return family

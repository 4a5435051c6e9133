"""A daemon's figures in Prometheus' text format.

The registry is not global: two daemons in one process, as in a test, have separate figures.
Nothing is counted here. Each part keeps its own statistics, and adds a function that turns them
into metric families at each scrape.
"""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Metrics:
    """The registry behind ``/metrics``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

    def add(self, collect: Callable[[], Iterable[Metric]]) -> None:
        """Adds metric families after the present ones; ``collect`` is called at each scrape.

        ``collect`` reads memory only: it neither waits nor touches a disk. Names begin with
        the program's name and end with their unit.
        """
        self._registry.register(_Collector(collect))

    def families(self) -> Iterable[Metric]:
        """All metric families as they are now."""
        return self._registry.collect()

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The text in the best format for an ``Accept`` header, and its content type."""
        try:
            encode, content_type = choose_encoder(accept if accept.isascii() else "")
        except TypeError:
            # The library compares versions as numbers, and this version is not a number.
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type


class _Collector(Collector):
    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[Metric]:
        return self._collect()

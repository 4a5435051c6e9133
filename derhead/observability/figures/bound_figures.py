"""The use of each bound beside the bound. Pure."""

from collections.abc import Callable, Iterator

from prometheus_client.metrics_core import Metric

from derproto.metrics.families import gauge_by


class Bounds:
    """The bounds whose use is shown, by name."""

    def __init__(self) -> None:
        self._uses: dict[str, tuple[Callable[[], float], float]] = {}

    def add(self, name: str, used: Callable[[], float], limit: float) -> None:
        """Adds a bound; ``used`` is read at each scrape."""
        self._uses[name] = used, limit

    def metrics(self) -> Iterator[Metric]:
        """What is used of each bound, and the bound."""
        yield gauge_by(
            "derhead_bound_used",
            "What is used now of a bound.",
            "bound",
            {name: used() for name, (used, _) in self._uses.items()},
        )
        yield gauge_by(
            "derhead_bound_limit",
            "The bound: what happens there is in bounds.md.",
            "bound",
            {name: limit for name, (_, limit) in self._uses.items()},
        )

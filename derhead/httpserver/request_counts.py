"""Counts of requests and of how long their answers took. Pure."""

from collections.abc import Mapping

from derproto.metrics.histogram import QUICK_S, Histogram, HistogramCounts

STATUSES = ("1xx", "2xx", "3xx", "4xx", "5xx")


class RequestCounts:
    """Requests of one server that were answered whole."""

    __slots__ = ("_by_status", "_fast", "_slow")

    def __init__(self) -> None:
        self._by_status = [0] * len(STATUSES)
        self._fast, self._slow = Histogram(QUICK_S), Histogram(QUICK_S)

    def take_fast(self, took_s: float) -> None:
        """Counts an answer of the fast lane; each is a 200."""
        self._fast.take(took_s)

    def take(self, status: int, took_s: float | None) -> None:
        """Counts an answer of the app. ``took_s`` is None for a stream, which has no duration."""
        self._by_status[min(max(status // 100, 1), 5) - 1] += 1
        if took_s is not None:
            self._slow.take(took_s)

    def by_status(self) -> Mapping[str, int]:
        """Answers by the class of their status."""
        counts = dict(zip(STATUSES, self._by_status, strict=True))
        counts["2xx"] += sum(self._fast.counts().counts)
        return counts

    def durations(self) -> Mapping[str, HistogramCounts]:
        """Seconds from a request's header to the end of its answer, by lane."""
        return {"fast": self._fast.counts(), "app": self._slow.counts()}

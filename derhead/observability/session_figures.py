"""Figures of the sessions. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.observability.metrics import counter, counter_by, gauge
from derhead.sessions import SessionStatistics


def session_metrics(sessions: SessionStatistics) -> Iterator[Metric]:
    """Connected agents, refused streams and rows, and messages beyond what one agent may send."""
    name = "derhead_sessions_"
    yield gauge(name + "open", "Open sessions.", sessions.open)
    yield counter(name + "opened", "Sessions opened since the start.", sessions.opened)
    yield counter(name + "refused", "Streams that ended before Welcome.", sessions.refused)
    yield counter_by(
        name + "excess",
        "Messages beyond what one agent may send, by kind.",
        "kind",
        sessions.excess,
    )
    yield counter_by(
        name + "refused_rows",
        "Rows of telemetry that were refused, by reason.",
        "reason",
        sessions.refused_rows,
    )

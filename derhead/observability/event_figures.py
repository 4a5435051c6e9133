"""Figures of the readers of events. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.events import EventStatistics
from derhead.observability.metrics import counter, gauge


def event_metrics(events: EventStatistics) -> Iterator[Metric]:
    """The readers now, and the frames made for them."""
    yield gauge("derhead_event_readers", "Clients that follow /events now.", events.readers)
    yield counter(
        "derhead_event_readers_refused",
        "Clients that were refused /events: too many follow it.",
        events.refused,
    )
    yield counter(
        "derhead_event_telemetry_frames",
        "Frames of telemetry made; all clients with the same filter got the same frame.",
        events.telemetry_frames,
    )

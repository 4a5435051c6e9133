"""Figures of the readers of events. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.events import EventStatistics
from derhead.observability.metrics import counter, gauge


def event_metrics(events: EventStatistics) -> Iterator[Metric]:
    """The readers now, and the frames made for them."""
    yield gauge("derhead_event_readers", "Readers of /events.", events.readers)
    yield counter("derhead_event_readers_refused", "Readers beyond the bound.", events.refused)
    yield counter(
        "derhead_event_telemetry_frames",
        "Frames of telemetry made; each went to all readers that asked the same.",
        events.telemetry_frames,
    )

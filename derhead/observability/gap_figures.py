"""Figures of the gap ledger. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.gaps import GapStatistics
from derhead.observability.metrics import gauge, gauge_by


def gap_metrics(gaps: GapStatistics) -> Iterator[Metric]:
    """Silent assets, and holes that samples may still fill."""
    name = "derhead_gaps_"
    yield gauge_by(name + "lasting", "Assets that are silent now, by cause.", "cause", gaps.lasting)
    yield gauge(name + "unfilled", "Holes in telemetry that later samples may fill.", gaps.unfilled)

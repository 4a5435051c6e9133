"""Figures of the process: its versions, its disk, the lag of its loop. Pure."""

import platform
from collections.abc import Iterator

from prometheus_client.core import InfoMetricFamily
from prometheus_client.metrics_core import Metric

from derproto import __version__
from derproto.metrics.families import counter, gauge, histogram
from derproto.metrics.histogram import HistogramCounts


def build_metrics(program: str) -> Iterator[Metric]:
    """The versions of the program and of Python, as labels of a figure that is always 1."""
    yield InfoMetricFamily(
        f"{program}_build",
        "Versions of the program and of Python; always 1.",
        value={"version": __version__, "python": platform.python_version()},
    )


def disk_metrics(program: str, free_bytes: int, whole_bytes: int) -> Iterator[Metric]:
    """The disk of the data folder."""
    name = f"{program}_disk_"
    yield gauge(name + "free_bytes", "Bytes free on the disk of the data folder.", free_bytes)
    yield gauge(name + "size_bytes", "Size of the disk of the data folder.", whole_bytes)


def log_metrics(program: str, dropped_lines: int) -> Iterator[Metric]:
    """The log of the process."""
    yield counter(
        f"{program}_log_dropped_lines",
        "Log lines that were dropped because stderr was not read fast enough.",
        dropped_lines,
    )


def loop_metrics(program: str, lags: HistogramCounts) -> Iterator[Metric]:
    """The lag of the event loop."""
    yield histogram(
        f"{program}_loop_lag_seconds",
        "How late the event loop woke a task that sleeps, four times a second.",
        lags,
    )

"""The journal's check and figures. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.history import JournalStatistics
from derhead.observability.metrics import counter, gauge
from derhead.observability.readiness import Check, Health


def journal_check(journal: JournalStatistics) -> Check:
    """Whether it takes records."""
    if journal.failing_since_us is None:
        return Check("journal", Health.READY, "takes records")
    return Check("journal", Health.UNREADY, journal.failing_reason)


def journal_metrics(journal: JournalStatistics) -> Iterator[Metric]:
    """What it did since it was opened, and how it is."""
    name = "derhead_journal_"
    yield counter(name + "commits", "Transactions that were stored.", journal.commits)
    yield counter(name + "failed_commits", "Transactions that failed.", journal.failed_commits)
    yield counter(name + "telemetry_rows", "Samples stored, resends left out.", journal.rows)
    yield counter(name + "duplicate_rows", "Samples there already.", journal.duplicate_rows)
    yield counter(name + "refused_rows", "Samples that no store takes.", journal.refused_rows)
    yield counter(
        name + "dropped_heartbeats", "Heartbeats dropped unstored.", journal.dropped_heartbeats
    )
    yield counter(
        name + "dropped_sessions", "Records of sessions dropped unstored.", journal.dropped_sessions
    )
    yield gauge(
        name + "buffered_rows", "Samples in memory that are not stored yet.", journal.buffered_rows
    )
    yield gauge(
        name + "last_commit_seconds", "How long the last transaction took.", journal.last_commit_s
    )
    yield gauge(
        name + "failing",
        "1 while nothing can be stored, else 0.",
        journal.failing_since_us is not None,
    )

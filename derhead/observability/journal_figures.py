"""Check and figures of the journal. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.history import JournalStatistics, RetentionStatistics, Salvaged
from derhead.observability.metrics import counter, counter_by, gauge
from derhead.observability.readiness import Check, Health


def journal_check(journal: JournalStatistics) -> Check:
    """Whether the journal takes records."""
    if journal.failing_since_us is not None:
        return Check("journal", Health.UNREADY, journal.failing_reason)
    if journal.held_reason is not None:
        return Check("journal", Health.UNREADY, journal.held_reason)
    return Check("journal", Health.READY, "takes records")


def damage_check(salvaged: Salvaged | None) -> Check:
    """Whether history was lost with a damaged file since the last orderly stop."""
    if salvaged is None:
        return Check("journal_file", Health.READY, "no damage was found")
    return Check("journal_file", Health.DEGRADED, salvaged.summary())


def journal_metrics(journal: JournalStatistics) -> Iterator[Metric]:
    """The journal's work since it was opened, and its state."""
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
    yield counter(name + "dropped_gaps", "Records of gaps dropped unstored.", journal.dropped_gaps)
    yield gauge(
        name + "buffered_rows", "Samples in memory that are not stored yet.", journal.buffered_rows
    )
    yield gauge(
        name + "last_commit_seconds", "How long the last transaction took.", journal.last_commit_s
    )
    yield gauge(
        name + "failing",
        "1 while no telemetry can be stored, else 0.",
        journal.failing_since_us is not None or journal.held_reason is not None,
    )


def retention_metrics(retention: RetentionStatistics) -> Iterator[Metric]:
    """The journal's size, and what retention deleted since the start."""
    name = "derhead_journal_"
    if retention.sizes is not None:
        sizes = retention.sizes
        yield gauge(name + "file_bytes", "Length of the journal's file.", sizes.file_bytes)
        yield gauge(name + "used_bytes", "Of it, what is in use.", sizes.used_bytes)
        yield gauge(name + "wal_bytes", "Length of its write-ahead log.", sizes.wal_bytes)
    yield gauge(name + "max_bytes", "What may be in use (retention.max_gb).", retention.max_bytes)
    if retention.telemetry_from_us is not None:
        yield gauge(
            name + "telemetry_from_seconds",
            "Since the epoch: samples from before it may have been dropped, none from after.",
            retention.telemetry_from_us / 1e6,
        )
    yield counter_by(name + "deleted_rows", "Rows dropped as too old.", "table", retention.deleted)
    yield counter(name + "wal_truncations", "Times the log was cut.", retention.truncated_wals)
    yield counter(
        name + "failed_looks", "Times retention could not do its work.", retention.failed_looks
    )

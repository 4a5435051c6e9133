"""Check and figures of the journal. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.history import JournalStatistics, RetentionStatistics, Salvaged
from derhead.observability.checks.readiness import Check, Health
from derproto.metrics.families import counter, counter_by, gauge, histogram


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
    yield counter(name + "commits", "Transactions that the journal stored.", journal.commits)
    yield counter(
        name + "failed_commits",
        "Transactions that the journal could not store.",
        journal.failed_commits,
    )
    yield counter(name + "telemetry_rows", "Samples stored, without resent ones.", journal.rows)
    yield counter(
        name + "duplicate_rows", "Samples that were stored already.", journal.duplicate_rows
    )
    yield counter(
        name + "refused_rows", "Samples with values that no store takes.", journal.refused_rows
    )
    yield counter(
        name + "dropped_heartbeats",
        "Heartbeats dropped before they were stored.",
        journal.dropped_heartbeats,
    )
    yield counter(
        name + "dropped_sessions",
        "Records of sessions dropped before they were stored.",
        journal.dropped_sessions,
    )
    yield counter(
        name + "dropped_gaps",
        "Records of gaps dropped before they were stored.",
        journal.dropped_gaps,
    )
    yield counter(
        name + "dropped_audit",
        "Entries of the audit trail about refusals, dropped before they were stored.",
        journal.dropped_audit,
    )
    yield counter(
        name + "dropped_levels",
        "Hours of service levels dropped before they were stored.",
        journal.dropped_levels,
    )
    yield gauge(
        name + "buffered_rows", "Samples in memory that wait to be stored.", journal.buffered_rows
    )
    yield gauge(
        name + "last_commit_seconds", "Duration of the last transaction.", journal.last_commit_s
    )
    yield histogram(
        name + "commit_seconds",
        "Durations of transactions, with their wait for a thread.",
        journal.commit_s,
    )
    yield gauge(
        name + "failing",
        "1 while no telemetry can be stored, else 0.",
        journal.failing_since_us is not None or journal.held_reason is not None,
    )


def damage_metrics(salvaged: Salvaged | None) -> Iterator[Metric]:
    """Whether history was lost with a damaged file."""
    yield gauge(
        "derhead_journal_salvaged",
        "1 if history was lost with a damaged file since the last orderly stop, else 0.",
        salvaged is not None,
    )


def retention_metrics(retention: RetentionStatistics) -> Iterator[Metric]:
    """The journal's size, and what retention deleted since the start."""
    name = "derhead_journal_"
    if retention.sizes is not None:
        sizes = retention.sizes
        yield gauge(name + "file_bytes", "Length of the journal's file.", sizes.file_bytes)
        yield gauge(
            name + "used_bytes", "Bytes of the journal's file that hold rows.", sizes.used_bytes
        )
        yield gauge(name + "wal_bytes", "Length of the journal's write-ahead log.", sizes.wal_bytes)
    yield gauge(
        name + "max_bytes",
        "Bound of the bytes that hold rows (retention.max_gb).",
        retention.max_bytes,
    )
    if retention.telemetry_from_us is not None:
        yield gauge(
            name + "telemetry_from_seconds",
            "Time since the epoch from which on no sample was dropped.",
            retention.telemetry_from_us / 1e6,
        )
    yield counter_by(
        name + "deleted_rows", "Rows that retention deleted.", "table", retention.deleted
    )
    yield counter(
        name + "wal_truncations",
        "Times that retention truncated the write-ahead log.",
        retention.truncated_wals,
    )
    yield counter(
        name + "failed_looks", "Times that retention could not do its work.", retention.failed_looks
    )

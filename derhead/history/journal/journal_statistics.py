"""The journal's statistics."""

from dataclasses import dataclass

from derproto.metrics.histogram import HistogramCounts


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """What the journal did since it was opened, and its state."""

    commits: int
    failed_commits: int
    rows: int
    """Telemetry rows stored, without resends."""
    duplicate_rows: int
    """Telemetry rows that existed already."""
    refused_rows: int
    """Telemetry rows that the store can never take; they were not acknowledged."""
    refused_notes: int
    buffered_rows: int
    """Telemetry rows in memory, not yet durable."""
    dropped_heartbeats: int
    dropped_sessions: int
    dropped_gaps: int
    dropped_audit: int
    dropped_levels: int
    last_commit_s: float
    """Duration of the last commit, including its wait for a thread."""
    commit_s: HistogramCounts
    """Durations of all commits, in seconds."""
    failing_since_us: int | None
    """When commits began to fail, microseconds since the epoch; None = they work."""
    failing_reason: str
    """Why commits fail, for people; empty = they work."""
    held_reason: str | None
    """Why telemetry is not stored although commits work: the journal has reached its size."""

"""How the journal is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """What the journal did since it was opened, and how it is."""

    commits: int
    failed_commits: int
    rows: int
    """Telemetry rows stored, resends not counted."""
    duplicate_rows: int
    """Telemetry rows that were there already."""
    refused_rows: int
    """Telemetry rows that the store would never take; they were not acknowledged."""
    refused_notes: int
    buffered_rows: int
    """Telemetry rows in memory, not yet durable."""
    dropped_heartbeats: int
    dropped_sessions: int
    dropped_gaps: int
    last_commit_s: float
    """How long the last commit took, its wait for a thread included."""
    failing_since_us: int | None
    """When commits began to fail, microseconds since the epoch; None = all is well."""
    failing_reason: str
    """Why, for people; empty = all is well."""
    held_reason: str | None
    """Why telemetry is not stored though it could be: the journal is as large as it may be."""

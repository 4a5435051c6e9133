"""The feed's statistics. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """What the feed did since the start, and how far it is behind."""

    lag_rows: int
    """Rows of any table in the spool."""
    lag_s: float
    """Seconds since the oldest waiting commit; 0 if none waits."""
    fed_rows: int
    fed_batches: int
    failed_batches: int
    held_back: int
    """Commits with a value that PostgreSQL refuses; they stay in the spool."""
    catching_up: bool
    walking: bool
    """Rows from before PostgreSQL was configured are still being fed."""
    trouble: str | None
    """Why nothing can be fed now, and what to do; None = all is well."""
    failing_since_us: int | None

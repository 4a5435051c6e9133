"""How the feed is. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedStatistics:
    """What the feed did since the start, and how far it is behind."""

    lag_rows: int
    """Rows of any table in the spool."""
    lag_s: float
    """Since the oldest of them was committed; 0 without any."""
    fed_rows: int
    fed_batches: int
    failed_batches: int
    held_back: int
    """Commits of which PostgreSQL will not take some value; they stay in the spool."""
    catching_up: bool
    walking: bool
    """What was there before PostgreSQL was configured is still being fed."""
    trouble: str | None
    """Why nothing can be fed now, and what there is to do; None = all is well."""
    failing_since_us: int | None

"""The feed's health: what it did so far, what stands in its way, and since when."""

from dataclasses import dataclass

from derhead.history.postgres.connections.causes import StoreCause, Trouble
from derproto.stdio.log_events import event_log

log = event_log(__name__)

RETRY_LEAST_S = 0.5
RETRY_MOST_S = 15.0
"""Longest pauses after the first failed batch, and after many in a row. Each pause is drawn between
half the longest and the longest."""


def retry_s(failures: int, draw: float) -> float:
    """The pause after so many failures in a row; ``draw`` is uniform in 0..1."""
    most_s = min(RETRY_LEAST_S * 2.0 ** min(failures - 1, 10), RETRY_MOST_S)
    return most_s * (0.5 + draw / 2)


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


class FeedHealth:
    """Logs each cause once, and once when it is over."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.trouble: Trouble | None = Trouble(
            StoreCause.STARTING, "PostgreSQL was not reached yet"
        )
        """Why nothing can be fed now; None = all is well."""
        self.failing_since_us: int | None = None
        self.failed = 0
        """Failed batches since the start."""
        self.failures = 0
        """Failures in a row."""

    def note_success(self, now_us: int) -> None:
        """Notes that PostgreSQL did a job of the feed."""
        self.failures = 0
        self.trouble = None
        if self.failing_since_us is not None:
            failed_s = (now_us - self.failing_since_us) / 1e6
            log.warning("PostgreSQL is fed again", failed_s=round(failed_s, 1))
            self.failing_since_us = None

    def note_obstacle(self, trouble: Trouble) -> None:
        """Notes that another job failed. Until the first batch, this explains best why nothing is
        fed."""
        if self.trouble is not None and self.trouble.cause is StoreCause.STARTING:
            self.trouble = trouble

    def note_failure(self, trouble: Trouble, now_us: int) -> None:
        """Notes that a batch failed, or that PostgreSQL could not be asked."""
        self.failed += 1
        self.failures += 1
        if self.trouble is None or self.trouble.cause is not trouble.cause:
            log.error(
                "PostgreSQL cannot be fed: everything stays in the journal meanwhile",
                address=self._where,
                cause=trouble.cause.value,
                reason=trouble,
            )
        self.trouble = trouble
        if self.failing_since_us is None:
            self.failing_since_us = now_us

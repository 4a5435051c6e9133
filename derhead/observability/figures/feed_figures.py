"""Checks and figures of the PostgreSQL feed and of the claim on PostgreSQL. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.history import ClaimStatus, FeedStatistics
from derhead.observability.checks.readiness import Check, Health
from derproto.metrics.families import counter, gauge

LATE_S = 60.0
"""Lag at which the feed is degraded, seconds."""


def feed_check(feed: FeedStatistics) -> Check:
    """Whether PostgreSQL gets the journal's rows. The headend takes records without it."""
    waits = f"{feed.lag_rows} rows wait, the oldest for {feed.lag_s:.0f} s"
    if feed.trouble is not None:
        return Check("postgres", Health.DEGRADED, f"{feed.trouble}; {waits}")
    if feed.held_back:
        said = f"refuses a value in {feed.held_back} commits, which the log names; {waits}"
        return Check("postgres", Health.DEGRADED, said)
    if feed.catching_up or feed.lag_s > LATE_S:
        return Check("postgres", Health.DEGRADED, f"is catching up; {waits}")
    if feed.walking:
        return Check("postgres", Health.READY, f"is being fed older rows of the journal; {waits}")
    return Check("postgres", Health.READY, f"is fed; {waits}" if feed.lag_rows else "is fed")


def feed_metrics(feed: FeedStatistics) -> Iterator[Metric]:
    """The feed's work since the start, and its lag."""
    name = "derhead_postgres_"
    yield gauge(name + "lag_rows", "Rows that PostgreSQL does not have yet.", feed.lag_rows)
    yield gauge(name + "lag_seconds", "Age of the oldest row that PostgreSQL lacks.", feed.lag_s)
    yield counter(name + "fed_rows", "Rows fed to PostgreSQL, of any table.", feed.fed_rows)
    yield counter(name + "fed_batches", "Transactions that fed PostgreSQL.", feed.fed_batches)
    yield counter(name + "failures", "Times that PostgreSQL could not be fed.", feed.failed_batches)
    yield gauge(
        name + "held_back_commits",
        "Commits with a value that PostgreSQL refuses.",
        feed.held_back,
    )
    yield gauge(
        name + "failing", "1 while PostgreSQL cannot be fed, else 0.", feed.trouble is not None
    )
    yield gauge(
        name + "catching_up",
        "1 while a backlog is fed at a bounded rate, else 0.",
        feed.catching_up,
    )


def claim_check(claim: ClaimStatus) -> Check:
    """Whether this headend holds the claim. It serves its agents without the claim, too."""
    return Check("claim", Health.READY if claim.held else Health.DEGRADED, claim.said)


def claim_metrics(claim: ClaimStatus) -> Iterator[Metric]:
    """Whether the claim is held, and its term."""
    yield gauge(
        "derhead_postgres_claim_held",
        "1 while this headend holds the claim on its database, else 0.",
        claim.held,
    )
    yield gauge(
        "derhead_postgres_claim_term",
        "Term of this headend's claim; 0 before its first.",
        claim.term,
    )

"""What a headend shows of itself: the checks of ``/readyz`` and the figures of ``/metrics``."""

import trio

from derhead.dispatch import DispatchDesk
from derhead.gaps import GapLedger
from derhead.history import ClaimKeeper, Feed, Journal, Retention
from derhead.observability.checks.process_checks import clock_check, disk_check, loop_check
from derhead.observability.checks.readiness import Check, Readiness
from derhead.observability.figures.bound_figures import Bounds
from derhead.observability.figures.census import Census
from derhead.observability.figures.certificate_figures import (
    certificate_check,
    certificate_metrics,
)
from derhead.observability.figures.feed_figures import (
    claim_check,
    claim_metrics,
    feed_check,
    feed_metrics,
)
from derhead.observability.figures.fleet_figures import dispatch_metrics, fleet_metrics
from derhead.observability.figures.journal_figures import (
    damage_check,
    damage_metrics,
    journal_check,
    journal_metrics,
    retention_metrics,
)
from derhead.observability.figures.level_figures import level_metrics
from derhead.observability.figures.live_figures import gap_metrics, session_metrics
from derhead.service_levels import LevelKeeper, Objectives
from derhead.sessions import Sessions
from derproto.metrics.exposition import Metrics
from derproto.metrics.process_watch import ProcessWatch
from derproto.tls.certificate_keeper import CertificateKeeper


class Instruments:
    """The checks, the figures and the bounds of one headend, in the order of their adding."""

    def __init__(self) -> None:
        self.readiness = Readiness()
        self.metrics = Metrics()
        self.bounds = Bounds()

    def show_parts(
        self,
        journal: Journal,
        sessions: Sessions,
        census: Census,
        desk: DispatchDesk,
        gaps: GapLedger,
        retention: Retention,
        levels: LevelKeeper,
        objectives: Objectives,
    ) -> None:
        """Adds the parts that every headend has, and the bounds."""
        self.readiness.add(lambda: journal_check(journal.statistics()))
        self.readiness.add(lambda: damage_check(journal.salvaged))
        self.readiness.add(lambda: _check_clock(census))
        self.metrics.add(lambda: journal_metrics(journal.statistics()))
        self.metrics.add(lambda: damage_metrics(journal.salvaged))
        self.metrics.add(lambda: session_metrics(sessions.statistics()))
        self.metrics.add(lambda: fleet_metrics(census.statistics()))
        self.metrics.add(lambda: dispatch_metrics(desk.statistics()))
        self.metrics.add(lambda: gap_metrics(gaps.statistics()))
        self.metrics.add(lambda: retention_metrics(retention.statistics()))
        self.metrics.add(lambda: level_metrics(levels.totals, objectives))
        self.metrics.add(self.bounds.metrics)

    def show_feed(self, feed: Feed) -> None:
        """Adds the feed of PostgreSQL."""
        self.readiness.add(lambda: feed_check(feed.statistics()))
        self.metrics.add(lambda: feed_metrics(feed.statistics()))

    def show_claim(self, claim: ClaimKeeper) -> None:
        """Adds the claim on PostgreSQL."""
        self.readiness.add(lambda: claim_check(claim.status()))
        self.metrics.add(lambda: claim_metrics(claim.status()))

    def show_process(self, process: ProcessWatch) -> None:
        """Adds the process and its disk."""
        self.readiness.add(lambda: loop_check(process.lag.worst_s(trio.current_time())))
        self.readiness.add(lambda: disk_check(process.disk))
        self.metrics.add(process.metrics)

    def show_certificates(self, certificates: CertificateKeeper) -> None:
        """Adds the certificates of all listeners."""
        left = certificates.seconds_left
        self.readiness.add(lambda: certificate_check(certificates.findings(), left()))
        self.metrics.add(lambda: certificate_metrics(left()))


def _check_clock(census: Census) -> Check:
    found = census.statistics()
    return clock_check(
        found.clock_step,
        trio.current_time(),
        agents=found.sums.agents,
        agents_off=found.sums.agents_off,
    )

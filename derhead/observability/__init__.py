"""Observability: whether the headend can do its work, and its figures for Prometheus.

``readiness`` has the checks, among them those of ``process_checks``, and ``health_service`` tells
gRPC's probes of them. ``census`` goes round the fleet and sums it up. Each ``*_figures`` module
turns the statistics of one part into checks and figures; ``derproto.metrics`` makes Prometheus'
text of them.
"""

from derhead.observability.bound_figures import Bounds
from derhead.observability.census import Census
from derhead.observability.certificate_figures import (
    certificate_check,
    certificate_metrics,
    reload_check,
)
from derhead.observability.exposure_figures import exposure_check
from derhead.observability.feed_figures import claim_check, claim_metrics, feed_check, feed_metrics
from derhead.observability.fleet_figures import dispatch_metrics, fleet_metrics
from derhead.observability.health_service import HealthService
from derhead.observability.journal_figures import (
    damage_check,
    damage_metrics,
    journal_check,
    journal_metrics,
    retention_metrics,
)
from derhead.observability.link_figures import http_metrics, link_metrics, stranger_metrics
from derhead.observability.live_figures import (
    access_metrics,
    event_metrics,
    gap_metrics,
    session_metrics,
)
from derhead.observability.process_checks import clock_check, disk_check, loop_check
from derhead.observability.readiness import Check, Health, Readiness, worst

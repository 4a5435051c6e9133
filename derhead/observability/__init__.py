"""Observability: whether the headend can do its work, and its figures for Prometheus.

Rooms, from the ground up:

- ``checks``: ``/readyz``, and gRPC's service for health.
- ``figures``: the statistics of each part as metrics; ``derproto.metrics`` makes their text.
"""

from derhead.observability.checks.health_service import HealthService
from derhead.observability.checks.process_checks import clock_check, disk_check, loop_check
from derhead.observability.checks.readiness import Check, Health, Readiness, worst
from derhead.observability.figures.bound_figures import Bounds
from derhead.observability.figures.census import Census
from derhead.observability.figures.certificate_figures import (
    certificate_check,
    certificate_metrics,
    reload_check,
)
from derhead.observability.figures.exposure_figures import exposure_check
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
from derhead.observability.figures.link_figures import (
    http_metrics,
    link_metrics,
    stranger_metrics,
)
from derhead.observability.figures.live_figures import (
    access_metrics,
    event_metrics,
    gap_metrics,
    session_metrics,
)

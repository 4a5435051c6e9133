"""Observability: whether the headend can do its work, and its figures for Prometheus.

Rooms, from the ground up:

- ``checks``: ``/readyz``, and gRPC's service for health.
- ``figures``: the statistics of each part as metrics; ``derproto.metrics`` makes their text.
- ``instruments``: the checks and figures of one headend, taken together.
"""

from derhead.observability.checks.health_service import HealthService
from derhead.observability.checks.readiness import Check, Health, Readiness, worst
from derhead.observability.figures.census import Census
from derhead.observability.figures.certificate_figures import reload_check
from derhead.observability.figures.exposure_figures import exposure_check
from derhead.observability.figures.link_figures import http_metrics, link_metrics, stranger_metrics
from derhead.observability.figures.live_figures import access_metrics, event_metrics
from derhead.observability.instruments import Instruments

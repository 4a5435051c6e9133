"""Figures of service levels, for alerts on error budgets. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.service_levels import LevelTotals, Objectives
from derproto.metrics.families import counter_by, gauge_by


def level_metrics(totals: LevelTotals, objectives: Objectives) -> Iterator[Metric]:
    """What each promise is about, what of it failed, and its objective.

    The two ways of a dispatch have a series each, with the objective of dispatches.
    """
    seen_s = totals.seen_us / 1e6
    yield counter_by(
        "derhead_slo_events",
        "What each promise is about: seconds of assets (telemetry, availability), or dispatches "
        "(received, started). Time without a headend is not counted.",
        "promise",
        {
            "telemetry": seen_s,
            "availability": seen_s,
            "received": totals.received,
            "started": totals.started,
        },
    )
    yield counter_by(
        "derhead_slo_failed",
        "Of derhead_slo_events_total, those for which the promise did not hold.",
        "promise",
        {
            "telemetry": (totals.seen_us - totals.fresh_us) / 1e6,
            "availability": (totals.seen_us - totals.held_us) / 1e6,
            "received": totals.received_late,
            "started": totals.started_late,
        },
    )
    yield gauge_by(
        "derhead_slo_objective_ratio",
        "The share for which each promise is to hold.",
        "promise",
        {
            "telemetry": objectives.telemetry,
            "availability": objectives.availability,
            "received": objectives.dispatch,
            "started": objectives.dispatch,
        },
    )

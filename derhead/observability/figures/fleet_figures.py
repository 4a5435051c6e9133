"""Figures of the fleet and of dispatches. Pure."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from derhead.dispatch import DispatchStatistics
from derhead.observability.figures.fleet_sums import FleetStatistics
from derproto.metrics.families import (
    counter,
    counter_by_each,
    gauge,
    gauge_by,
    histogram,
    histogram_by,
)


def fleet_metrics(fleet: FleetStatistics) -> Iterator[Metric]:
    """Assets by state, the ages of their newest samples, and the worst of all agents."""
    sums = fleet.sums
    yield gauge_by(
        "derhead_assets",
        "Assets by state: online and stale ones have a connected agent; the newest sample of a "
        "stale one is old.",
        "state",
        fleet.assets,
    )
    yield histogram(
        "derhead_newest_sample_age_seconds",
        "Ages of the newest sample of each asset that ever sent one, taken every 10 s.",
        fleet.sample_ages,
    )
    name = "derhead_agents_"
    yield gauge(
        name + "clock_offset_worst_seconds",
        "Greatest offset of a connected agent's clock from the headend's.",
        sums.clock_offset_us / 1e6,
    )
    yield gauge(
        name + "clock_off",
        "Connected agents whose clock is more than a minute off the headend's.",
        sums.agents_off,
    )
    yield counter(
        "derhead_clock_steps",
        "Times that the headend's own clock was set, by more than a second.",
        fleet.clock_steps,
    )
    yield gauge(
        name + "outbox_rows",
        "Samples that wait for delivery at all connected agents.",
        sums.outbox_rows,
    )
    yield gauge(
        name + "outbox_worst_rows",
        "Samples that wait for delivery at the connected agent with the most of them.",
        sums.worst_outbox_rows,
    )
    if fleet.certificate_left_s is not None:
        yield gauge(
            name + "certificate_left_seconds",
            "Time until the first certificate of a connected agent ends; negative afterwards.",
            fleet.certificate_left_s,
        )
    yield gauge(
        "derhead_dispatches_late",
        "Open dispatches whose window began 30 s ago or earlier, and that have not started.",
        sums.late_dispatches,
    )


def dispatch_metrics(dispatches: DispatchStatistics) -> Iterator[Metric]:
    """Open dispatches by state, ends by reason, and the latency to the device."""
    name = "derhead_dispatches_"
    yield gauge_by(name + "open", "Open dispatches by state.", "state", dispatches.open)
    yield counter_by_each(
        name + "ended",
        "Dispatches that ended, by state and reason.",
        ("state", "reason"),
        dispatches.ended,
    )
    yield histogram_by(
        "derhead_dispatch_latency_seconds",
        "From an order until its setpoint was sent, received and started; for started, from the "
        "begin of the window if that is later.",
        "to",
        dispatches.latency,
    )

"""The agent's figures for Prometheus. Pure: times are passed in."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import InfoMetricFamily, Metric

from deragent.devices import Nameplate
from deragent.tasks.agent_board import AgentBoard, state_name
from derproto.der.v1 import DispatchState, Health
from derproto.metrics.families import counter, counter_by, gauge, gauge_by

HEALTHS = {Health.OK: "ok", Health.DEGRADED: "degraded", Health.UNREACHABLE: "unreachable"}
NAMEPLATE = ("manufacturer", "model", "serial", "version")
STATES = tuple(state_name(state) for state in DispatchState if state.value)


def link_figures(board: AgentBoard, heard_ago_s: float) -> Iterator[Metric]:
    """The link to the headend."""
    name, counts = "deragent_", board.counts
    yield gauge(name + "session_up", "1 while a session with the headend lasts, else 0.", board.up)
    yield counter(name + "sessions", "Sessions that the headend welcomed.", counts.sessions)
    yield counter(name + "connection_attempts", "Attempts to reach the headend.", counts.attempts)
    yield gauge(
        name + "headend_silence_seconds",
        "Time since the headend was last heard, or since the start.",
        heard_ago_s,
    )
    yield counter(
        name + "ignored_messages",
        "Messages of an unknown kind, or about an asset that is not this agent's.",
        counts.ignored_messages,
    )


def outbox_figures(board: AgentBoard, wall_us: int) -> Iterator[Metric]:
    """Samples taken, and samples that the headend has not acknowledged."""
    name, counts, outbox = "deragent_", board.counts, board.outbox
    yield counter(name + "samples", "Measurements.", counts.samples)
    yield counter(
        name + "skipped_samples",
        "Measurements of assets that the headend refuses.",
        counts.skipped_samples,
    )
    yield gauge(name + "outbox_rows", "Samples that the headend has not acknowledged.", len(outbox))
    oldest_us = outbox.oldest_ts_us
    yield gauge(
        name + "outbox_oldest_age_seconds",
        "Age of the oldest sample that the headend has not acknowledged; 0 without any.",
        max(0, wall_us - oldest_us) / 1e6 if oldest_us else 0,
    )
    yield counter_by(
        name + "outbox_removed_rows",
        "Samples that left the outbox: acknowledged, refused, or forced out by its bound.",
        "reason",
        {
            "acknowledged": outbox.acked_rows,
            "refused": outbox.refused_rows,
            "overflow": outbox.dropped_rows,
        },
    )


def device_figures(board: AgentBoard) -> Iterator[Metric]:
    """Devices by health, and dispatches by the states that they reached."""
    name = "deragent_"
    healths = Counter(HEALTHS.get(health, "unknown") for health in board.devices.health)
    yield gauge_by(
        name + "devices",
        "Devices by health.",
        "health",
        {health: healths[health] for health in (*HEALTHS.values(), "unknown")},
    )
    yield gauge(
        name + "devices_local",
        "Devices that someone at the site has control of.",
        sum(board.devices.local),
    )
    nameplates = InfoMetricFamily(
        name + "device", "What each device says of itself.", labels=("asset", *NAMEPLATE)
    )
    for asset, nameplate in zip(board.plan.assets, board.devices.nameplates, strict=True):
        if nameplate != Nameplate():
            said = {key: getattr(nameplate, key) for key in NAMEPLATE}
            nameplates.add_metric((asset.id, *said.values()), {})
    yield nameplates
    yield counter(
        name + "device_errors",
        "Measurements that a device did not answer.",
        board.counts.device_errors,
    )
    yield counter_by(
        name + "dispatch_reports",
        "Changes of dispatches, by the state that they reached.",
        "state",
        {state: board.counts.reports[state] for state in STATES},
    )


def agent_certificate_figures(seconds_left: Mapping[str, float]) -> Iterator[Metric]:
    """How long each certificate is still valid."""
    yield gauge_by(
        "deragent_certificate_left_seconds",
        "Time until the first certificate in the file of a setting ends; negative afterwards.",
        "setting",
        seconds_left,
    )

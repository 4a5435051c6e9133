"""Service levels as JSON: pure."""

from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.service_levels import Latencies, LevelGroup, Objectives
from derhead.shapes.record_shapes.values import (
    GapCauseName,
    PromiseName,
    ScopeName,
    Time,
    seconds_of,
    time_of,
)

Share = Annotated[float, Meta(ge=0, le=1)]


class GapSumJson(TypedDict):
    """The gaps of one cause."""

    cause: GapCauseName
    gaps: int
    missing_s: Annotated[float, Meta(description="Their length within the window.")]
    unfilled: Annotated[int, Meta(description="Gaps that backfill has not closed.")]


class ObjectivesJson(TypedDict):
    """The shares for which the promises are to hold."""

    telemetry: Share
    availability: Share
    dispatch: Share


class LevelJson(TypedDict):
    """How well promises held in the last seven days, for a group of assets."""

    by: ScopeName
    id: Annotated[
        str | None, Meta(description="Of the site, agent or asset; null for the whole fleet.")
    ]
    name: Annotated[str | None, Meta(description="Of the site or asset.")]
    assets: Annotated[int, Meta(description="Assets that count: those that ever sent a sample.")]
    from_at: Annotated[Time | None, Meta(description="From when on the first of them counts.")]
    to_at: Time | None
    counted_s: Annotated[float, Meta(description="Time of all its assets, added up.")]
    down_s: Annotated[float, Meta(description="Of it, the time in which no headend ran.")]
    telemetry: Annotated[
        Share | None, Meta(description="Share of time with telemetry of at most 10 s.")
    ]
    stale_s: Annotated[float, Meta(description="Time without such telemetry.")]
    outages: Annotated[int, Meta(description="Stretches without such telemetry.")]
    longest_outage_s: Annotated[
        float, Meta(description="The longest of them, from its beginning, even before the window.")
    ]
    availability: Annotated[
        Share | None, Meta(description="Share of time in which a connected agent held the asset.")
    ]
    away_s: Annotated[float, Meta(description="Time without a connected agent.")]
    reconnects: int
    dispatch: Annotated[
        Share | None,
        Meta(
            description="Share of dispatches in time, 2 s: to the agent or to the device, whichever"
            " is less."
        ),
    ]
    received: Annotated[int, Meta(description="Dispatches that an agent was to answer.")]
    received_late: Annotated[int, Meta(description="Of them, those answered after 2 s.")]
    received_p50_s: Annotated[
        float | None, Meta(description="Half of them took at most this; up to 9.1 % too high.")
    ]
    received_p99_s: float | None
    started: Annotated[int, Meta(description="Dispatches that a device took.")]
    started_late: int
    started_p50_s: float | None
    started_p99_s: float | None
    gaps: Annotated[list[GapSumJson], Meta(description="Gaps in the samples, by cause.")]
    budget_used: Annotated[
        float | None,
        Meta(
            description="How much of its error budget the worst promise has used. The error budget"
            " is what an objective leaves; 1 = all of it."
        ),
    ]
    missed: Annotated[
        list[PromiseName], Meta(description="The promises that held for less than their objective.")
    ]
    objectives: ObjectivesJson


def level_shape(group: LevelGroup, objectives: Objectives, *, now_us: int) -> LevelJson:
    sums = group.sums
    return {
        "by": group.scope.value,
        "id": group.id,
        "name": group.name,
        "assets": sums.assets,
        "from_at": time_of(sums.from_us),
        "to_at": time_of(now_us),
        "counted_s": sums.counted_us / 1e6,
        "down_s": sums.down_us / 1e6,
        "telemetry": sums.telemetry,
        "stale_s": (sums.counted_us - sums.fresh_us) / 1e6,
        "outages": sums.outages,
        "longest_outage_s": sums.longest_us / 1e6,
        "availability": sums.availability,
        "away_s": (sums.counted_us - sums.held_us) / 1e6,
        "reconnects": group.reconnects,
        "dispatch": sums.dispatch,
        "received": sums.received.total,
        "received_late": sums.received.late,
        "received_p50_s": _quantile_s(sums.received, 0.5),
        "received_p99_s": _quantile_s(sums.received, 0.99),
        "started": sums.started.total,
        "started_late": sums.started.late,
        "started_p50_s": _quantile_s(sums.started, 0.5),
        "started_p99_s": _quantile_s(sums.started, 0.99),
        "gaps": [
            {
                "cause": cause.value,
                "gaps": count.gaps,
                "missing_s": count.missing_us / 1e6,
                "unfilled": count.unfilled,
            }
            for cause, count in group.gaps.counts(now_us)
        ],
        "budget_used": group.budget_used(objectives),
        "missed": [promise.value for promise in group.missed(objectives)],
        "objectives": {
            "telemetry": objectives.telemetry,
            "availability": objectives.availability,
            "dispatch": objectives.dispatch,
        },
    }


def _quantile_s(counted: Latencies, share: float) -> float | None:
    return seconds_of(counted.quantile_us(share))

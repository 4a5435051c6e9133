"""Orders, and dispatches to one asset, as JSON: pure."""

import json
from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from derhead.dispatch import Dispatch, Verdict, latency, verdict_text
from derhead.shapes.record_shapes.values import (
    OutcomeName,
    Priority,
    Span,
    StateName,
    Time,
    Uuid,
    number_of,
    seconds_of,
    time_of,
)


class OrderJson(TypedDict):
    """An order to an asset or to a whole site. null counts as left out."""

    asset_id: NotRequired[
        Annotated[str | None, Meta(description="The asset's UUID or name; this or `site_id`.")]
    ]
    site_id: NotRequired[
        Annotated[str | None, Meta(description="The site's UUID or name; this or `asset_id`.")]
    ]
    mw: Annotated[
        float,
        Meta(description="The power to hold, MW; positive = generation, negative = consumption."),
    ]
    start_at: NotRequired[
        Annotated[
            Time | None,
            Meta(description="Start of the window, at most 5 s in the past; left out: now."),
        ]
    ]
    duration_s: NotRequired[
        Annotated[
            Span | None,
            Meta(description="Its length, up to seven days; left out: until replaced."),
        ]
    ]
    expires_in_s: NotRequired[
        Annotated[
            Span | None,
            Meta(
                description="How long it may wait for its agent, from the later of now"
                " and `start_at`; left out: 900."
            ),
        ]
    ]
    priority: NotRequired[Annotated[Priority | None, Meta(description="0 wins; left out: 128.")]]
    ramp_mw_per_s: NotRequired[
        Annotated[
            Annotated[float, Meta(gt=0)] | None,
            Meta(description="Greatest rate of change; left out: as fast as it can."),
        ]
    ]
    dry_run: NotRequired[
        Annotated[
            bool | None,
            Meta(description="Nothing is ordered; the answer says what the order would lead to."),
        ]
    ]


class StateJson(TypedDict):
    """One state of a dispatch: since when, and why."""

    state: StateName
    at: Time | None
    reason: str | None
    detail: Annotated[str | None, Meta(description="The reason in words.")]


class LatencyJson(TypedDict):
    """Time since the order, or since the window's start if that is later, milliseconds."""

    sent: float | None
    received: float | None
    started: float | None


class VerdictJson(TypedDict):
    """Whether the asset followed the dispatch, measured from its telemetry."""

    outcome: OutcomeName
    sent_ms: float | None
    received_ms: float | None
    started_ms: float | None
    tolerance_mw: Annotated[
        float, Meta(description="Distance within which the setpoint counts as reached, MW.")
    ]
    within_tolerance_ms: Annotated[
        float | None, Meta(description="From `started` until it was first reached.")
    ]
    mean_error_mw: Annotated[
        float | None, Meta(description="Mean absolute difference from the setpoint, MW.")
    ]
    held_error_mw: Annotated[
        float | None, Meta(description="The same since the setpoint was first reached, MW.")
    ]
    covered: Annotated[float, Meta(description="Share of its time that samples cover, 0 to 1.")]
    samples: int
    final: Annotated[bool, Meta(description="The verdict waits for no further samples.")]


class DispatchJson(TypedDict):
    """A dispatch of one asset, with its whole life."""

    id: Uuid
    group_id: Annotated[Uuid | None, Meta(description="The order to a site of which it is a part.")]
    asset_id: Uuid
    mw: Annotated[float, Meta(description="Active power to hold, MW; positive = generation.")]
    duration_s: Annotated[
        float | None, Meta(description="Length of its window; null = until replaced.")
    ]
    priority: Annotated[int, Meta(ge=0, le=255, description="The lower number wins.")]
    state: StateName
    reason: str | None
    detail: Annotated[str | None, Meta(description="The reason in words.")]
    created_at: Time | None
    start_at: Time | None
    end_at: Time | None
    expires_at: Annotated[Time | None, Meta(description="Until when it may wait for its agent.")]
    applied_mw: Annotated[float | None, Meta(description="The power that the device was told, MW.")]
    superseded_by: Uuid | None
    suspended: Annotated[
        str | None, Meta(description="Why the device does not follow it now: LINK_SILENT.")
    ]
    interrupted_s: Annotated[
        float, Meta(description="Time of its window in which the device did not follow it.")
    ]
    cancelling: Annotated[str | None, Meta(description="Why it is being withdrawn.")]
    ordered_by: Annotated[
        str | None, Meta(description="Who ordered it: a name, else an address; null = not known.")
    ]
    withdrawn_by: Annotated[
        str | None, Meta(description="Who withdrew it; null = nobody, or the headend itself.")
    ]
    attempts: Annotated[int, Meta(description="How often it was sent.")]
    latency_ms: LatencyJson
    states: Annotated[list[StateJson], Meta(description="Oldest first.")]
    verdict: Annotated[VerdictJson | None, Meta(description="null while there is none.")]


def dispatch_shape(dispatch: Dispatch, so_far: Verdict | None = None) -> DispatchJson:
    """``so_far`` is a provisional verdict, for a dispatch that has none yet."""
    taken = latency(dispatch)
    return {
        "id": dispatch.id,
        "group_id": dispatch.group_id,
        "asset_id": dispatch.asset_id,
        "mw": dispatch.mw,
        "duration_s": seconds_of(dispatch.duration_us),
        "priority": dispatch.priority,
        "state": dispatch.state.value,
        "reason": dispatch.reason,
        "detail": dispatch.detail,
        "created_at": time_of(dispatch.created_us),
        "start_at": time_of(dispatch.start_us),
        "end_at": time_of(dispatch.window.end_us),
        "expires_at": time_of(dispatch.expires_us),
        "applied_mw": number_of(dispatch.applied_mw),
        "superseded_by": dispatch.superseded_by,
        "suspended": dispatch.suspended,
        "interrupted_s": dispatch.interrupted_us / 1e6,
        "cancelling": dispatch.cancelling,
        "ordered_by": dispatch.ordered_by,
        "withdrawn_by": dispatch.withdrawn_by,
        "attempts": dispatch.attempts,
        "latency_ms": {
            "sent": taken.sent_ms,
            "received": taken.received_ms,
            "started": taken.started_ms,
        },
        "states": [
            {
                "state": change.state.value,
                "at": time_of(change.at_us),
                "reason": change.reason,
                "detail": change.detail,
            }
            for change in dispatch.states
        ],
        "verdict": _verdict(dispatch, so_far),
    }


def _verdict(dispatch: Dispatch, so_far: Verdict | None) -> VerdictJson | None:
    # A dispatch of an asset that left the fleet has an empty verdict.
    text = dispatch.verdict
    if text is None and so_far is not None:
        text = verdict_text(so_far)
    return (json.loads(text) or None) if text is not None else None

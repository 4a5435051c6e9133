"""Dispatches to a whole site as JSON: pure."""

from collections.abc import Sequence
from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.dispatch import Dispatch, DispatchGroup, group_state
from derhead.shapes.record_shapes.dispatch_json import DispatchJson
from derhead.shapes.record_shapes.values import StateName, Time, Uuid, seconds_of, time_of


class StartedJson(TypedDict):
    """How many parts have started, and when."""

    count: int
    of: int
    first_at: Time | None
    last_at: Time | None
    in_s: Annotated[float | None, Meta(description="From the order to the last start, seconds.")]


class LeftOutJson(TypedDict):
    """An asset of the site that has no part in the order."""

    asset_id: Uuid
    why: str


class GroupJson(TypedDict):
    """An order to a whole site: its present result, and its parts."""

    id: Uuid
    site_id: Uuid
    mw: float
    allocated_mw: Annotated[float, Meta(description="Power that its parts hold or will hold, MW.")]
    shortfall_mw: Annotated[float, Meta(description="Missing power, with the sign of `mw`.")]
    duration_s: float | None
    priority: int
    state: StateName
    summary: Annotated[str, Meta(description="The result in words.")]
    counts: Annotated[dict[str, int], Meta(description="Parts in each state.")]
    started: StartedJson
    created_at: Time | None
    start_at: Time | None
    end_at: Time | None
    expires_at: Time | None
    cancelling: str | None
    ordered_by: Annotated[
        str | None, Meta(description="Who ordered it: a name, else an address; null = not known.")
    ]
    withdrawn_by: Annotated[str | None, Meta(description="Who withdrew it; null = nobody.")]
    left_out: list[LeftOutJson]
    parts: list[DispatchJson]


def group_shape(group: DispatchGroup, parts: Sequence[Dispatch]) -> GroupJson:
    """An order to a site and its result; ``parts`` is left empty, for ``dispatch_shape``."""
    found = group_state(group, parts)
    return {
        "id": group.id,
        "site_id": group.site_id,
        "mw": group.mw,
        "allocated_mw": found.allocated_mw,
        "shortfall_mw": found.shortfall_mw,
        "duration_s": seconds_of(group.duration_us),
        "priority": group.priority,
        "state": found.state.value,
        "summary": found.sentence,
        "counts": {state.value: count for state, count in found.counts.items()},
        "started": {
            "count": found.started,
            "of": found.parts,
            "first_at": time_of(found.first_started_us),
            "last_at": time_of(found.last_started_us),
            "in_s": seconds_of(found.started_in_us),
        },
        "created_at": time_of(group.created_us),
        "start_at": time_of(group.start_us),
        "end_at": time_of(group.window.end_us),
        "expires_at": time_of(group.expires_us),
        "cancelling": group.cancelling,
        "ordered_by": group.ordered_by,
        "withdrawn_by": group.withdrawn_by,
        "left_out": [{"asset_id": left.asset_id, "why": left.why} for left in group.left_out],
        "parts": [],
    }

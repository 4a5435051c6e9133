"""The outcome of a dry run, as JSON: pure."""

from typing import Annotated, Literal, TypedDict

from msgspec import Meta

from derhead.dispatch import DoesNotFit, Preflight, SitePreflight
from derhead.shapes.record_shapes.fleet_json import LimitsJson
from derhead.shapes.record_shapes.group_json import LeftOutJson
from derhead.shapes.record_shapes.values import Time, Uuid, number_of, time_of


class FollowsJson(TypedDict):
    """What the asset does after the window."""

    action: str
    mw: float | None
    dispatch_id: Uuid | None


class PreflightJson(TypedDict):
    """The outcome that an order to an asset would have. Nothing was ordered."""

    dry_run: Literal[True]
    asset_id: Uuid
    mw: float
    priority: int
    start_at: Time | None
    end_at: Time | None
    online: bool
    within_limits: bool
    limits: LimitsJson
    p_mw: float | None
    soc: float | None
    energy_mwh: Annotated[float | None, Meta(description="Energy of the window, MWh.")]
    available_mwh: Annotated[
        float | None, Meta(description="Energy that the battery has for it, MWh.")
    ]
    enough_energy: bool | None
    supersedes: list[Uuid]
    gives_way_to: Uuid | None
    then: FollowsJson
    sentence: Annotated[str, Meta(description="The result in words.")]


class FeasibleJson(TypedDict):
    """The range of power that a site can hold now, MW."""

    min_mw: float
    max_mw: float


class SitePreflightJson(TypedDict):
    """The outcome that an order to a site would have. Nothing was ordered."""

    dry_run: Literal[True]
    site_id: Uuid
    mw: float
    fits: bool
    feasible: FeasibleJson | None
    left_out: list[LeftOutJson]
    parts: list[PreflightJson]
    sentence: Annotated[str, Meta(description="The result in words.")]


def preflight_shape(found: Preflight) -> PreflightJson:
    """What an order to an asset would lead to."""
    limits, follows = found.asset.limits, found.follows
    return {
        "dry_run": True,
        "asset_id": found.asset.id,
        "mw": found.order.mw,
        "priority": found.order.priority,
        "start_at": time_of(found.window.start_us),
        "end_at": time_of(found.window.end_us),
        "online": found.online,
        "within_limits": found.within_limits,
        "limits": {"min_mw": limits.min_mw, "max_mw": limits.max_mw},
        "p_mw": number_of(found.p_mw),
        "soc": number_of(found.soc),
        "energy_mwh": number_of(found.energy_mwh),
        "available_mwh": number_of(found.available_mwh),
        "enough_energy": found.enough_energy,
        "supersedes": list(found.supersedes),
        "gives_way_to": found.gives_way_to,
        "then": {
            "action": follows.then.value,
            "mw": number_of(follows.mw),
            "dispatch_id": follows.dispatch_id,
        },
        "sentence": found.sentence,
    }


def site_preflight_shape(found: SitePreflight) -> SitePreflightJson:
    """What an order to a site would lead to; ``parts`` is left empty, for ``preflight_shape``."""
    split = found.split
    return {
        "dry_run": True,
        "site_id": found.order.site_id,
        "mw": found.order.mw,
        "fits": bool(found.parts),
        "feasible": (
            {"min_mw": split.low_mw, "max_mw": split.high_mw}
            if isinstance(split, DoesNotFit)
            else None
        ),
        "left_out": [{"asset_id": left.asset_id, "why": left.why} for left in split.left_out],
        "parts": [],
        "sentence": found.sentence,
    }

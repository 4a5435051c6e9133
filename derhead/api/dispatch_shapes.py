"""Dispatches, groups, and what would become of an order, as the JSON that callers see: pure."""

import json
from collections.abc import Sequence

from derhead.api.answers import (
    DispatchJson,
    GroupJson,
    PreflightJson,
    SitePreflightJson,
    VerdictJson,
)
from derhead.api.shapes import number_of, seconds_of, time_of
from derhead.dispatch import (
    Dispatch,
    DispatchGroup,
    DoesNotFit,
    Preflight,
    SitePreflight,
    Verdict,
    group_state,
    latency,
    verdict_text,
)


def dispatch_shape(dispatch: Dispatch, so_far: Verdict | None = None) -> DispatchJson:
    """``so_far`` is the verdict of one that has none yet."""
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


def group_shape(group: DispatchGroup, parts: Sequence[Dispatch]) -> GroupJson:
    """An order to a site, what it has come to, and its parts."""
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
        "left_out": [{"asset_id": left.asset_id, "why": left.why} for left in group.left_out],
        "parts": [dispatch_shape(part) for part in parts],
    }


def preflight_shape(found: Preflight) -> PreflightJson:
    """What would become of an order to an asset."""
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
    """What would become of an order to a site."""
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
        "parts": [preflight_shape(part) for part in found.parts],
        "sentence": found.sentence,
    }


def _verdict(dispatch: Dispatch, so_far: Verdict | None) -> VerdictJson | None:
    # Of an asset that the fleet has no more there is an empty one.
    text = dispatch.verdict
    if text is None and so_far is not None:
        text = verdict_text(so_far)
    return (json.loads(text) or None) if text is not None else None

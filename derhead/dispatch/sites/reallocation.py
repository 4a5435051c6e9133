"""What a site's other assets take over when one of them drops out: pure.

A part is *lost* when its asset rejected it, failed, or let it expire, and when its agent has
been away for longer than the asset's failsafe waits: by then the device has gone to its
default. Where there is no failsafe the device is trusted to hold its part to the end, and
is not lost by absence: two would do the same work. What the lost parts should have done is
split over the others by their headroom, for what is left of the window. An asset that takes
over more gets a new part of the same group, which supersedes the one that it held.

A part that somebody cancelled by itself, or that gave way to somebody's order to its asset,
is not made up for: the group would fight whoever knew better. Nor is an asset used that
follows somebody else's order. What cannot be made up for stays missing, and is shown.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup
from derhead.dispatch.sites.allocation import Allocation, Candidate, DoesNotFit, Share, allocate
from derhead.dispatch.sites.groups import counting_parts, holds
from derproto.base.fleet import Asset
from derproto.base.windows import Window

LOST = frozenset({State.REJECTED, State.FAILED, State.EXPIRED})
"""Ends of a part that the other assets make up for."""

AWAY = "its agent was away, and other assets took over"
"""Why the part of such an asset is withdrawn."""

LEAST_GRACE_S = 2.0
"""Shortest time that an agent is given to come back, whatever the failsafe: it reconnects
within half a second unless something is wrong."""

LEAST_LEFT_US = 1_000_000
"""With less than a second of its window left nothing is split anew."""

LEAST_CHANGE_MW = 1e-6
"""A part is not replaced for less than a watt."""


@dataclass(frozen=True, slots=True)
class Reallocation:
    """What is to be ordered, and withdrawn, so that a group does its work again."""

    orders: tuple[AssetOrder, ...]
    """New parts."""
    cancels: tuple[str, ...]
    """Ids of parts whose agents are away."""


def grace_us(asset: Asset) -> int | None:
    """How long an asset's agent may be away before its part is lost; None = for ever."""
    after_s = asset.failsafe.after_s
    return round(max(after_s, LEAST_GRACE_S) * 1e6) if after_s else None


def lost_assets(
    parts: Sequence[Dispatch],
    assets: Mapping[str, Asset],
    away_since_us: Mapping[str, int],
    now_us: int,
) -> frozenset[str]:
    """The assets that have dropped out of a group.

    ``away_since_us`` tells since when nobody has held an asset; those held are not in it.
    """
    lost = set()
    for part in counting_parts(parts):
        asset = assets.get(part.asset_id)
        if asset is None or part.state in LOST or part.cancelling == AWAY:
            lost.add(part.asset_id)
        elif not part.ended:
            away_us = now_us - away_since_us.get(part.asset_id, now_us)
            grace = grace_us(asset)
            if grace is not None and away_us >= grace:
                lost.add(part.asset_id)
    return frozenset(lost)


def reallocate(
    group: DispatchGroup,
    parts: Sequence[Dispatch],
    candidates: Sequence[Candidate],
    *,
    lost: Collection[str],
    busy: Collection[str],
    now_us: int,
) -> Reallocation | None:
    """How the others make up for the ``lost`` assets; None if nothing is to be done.

    ``candidates`` are the site's assets as they are now, ``busy`` those that follow another
    order.
    """
    left = group.window.remaining(now_us)
    left_us = left.duration_us
    over = left_us is not None and left_us < LEAST_LEFT_US
    if group.cancelling is not None or over or not lost:
        return None
    counting = {part.asset_id: part for part in counting_parts(parts)}
    refused = {part.asset_id for part in parts if part.state in LOST}
    takers: list[Candidate] = []
    wanted_mw = group.mw
    for candidate in candidates:
        asset_id = candidate.asset.id
        part = counting.get(asset_id)
        if asset_id in lost:
            continue
        if part is None:
            if candidate.online and asset_id not in busy:
                takers.append(candidate)
        elif holds(part) and candidate.online and asset_id not in refused:
            takers.append(replace(candidate, held_mw=part.mw))
        elif holds(part) or part.state not in LOST:
            # It keeps what it has, or somebody took it from the group.
            wanted_mw -= part.mw
    orders = tuple(
        _order(group, share.asset_id, share.mw, left, now_us)
        for share in _shares(wanted_mw, takers, left_us)
        if _changes(counting.get(share.asset_id), share.mw)
    )
    cancels = tuple(
        part.id
        for part in parts
        if part.asset_id in lost and not part.ended and part.cancelling is None
    )
    return Reallocation(orders, cancels) if orders or cancels else None


def _changes(part: Dispatch | None, mw: float) -> bool:
    return abs(mw - (part.mw if part is not None else 0.0)) >= LEAST_CHANGE_MW


def _shares(wanted_mw: float, takers: Sequence[Candidate], left_us: int | None) -> Sequence[Share]:
    """The split, or of the greatest power that fits."""
    found = allocate(wanted_mw, takers, duration_us=left_us)
    if isinstance(found, DoesNotFit):
        fits_mw = min(max(wanted_mw, found.low_mw), found.high_mw)
        found = allocate(fits_mw, takers, duration_us=left_us)
    return found.shares if isinstance(found, Allocation) else ()


def _order(group: DispatchGroup, asset_id: str, mw: float, left: Window, now_us: int) -> AssetOrder:
    return AssetOrder(
        asset_id=asset_id,
        mw=mw,
        duration_us=left.duration_us,
        priority=group.priority,
        ramp_mw_per_s=group.ramp_mw_per_s,
        start_us=left.start_us if left.start_us > now_us else None,
        group_id=group.id,
    )

"""What the other assets of a site take over when one drops out. Pure.

A part is *lost* when its asset rejected it, failed, or let it expire. It is also lost when its
agent has been away for longer than the asset's failsafe waits: the device has gone to its default
by then. An asset without a failsafe is trusted to hold its part to the end, even if its agent is
away: if another asset took over, both would give the same power.

The power of lost parts is split over the others by their headroom, for the rest of the window. An
asset that takes over more gets a new part of the group, which supersedes its earlier part.

Other assets do not take over if somebody withdrew a single part, or gave another order to its
asset: they would undo that decision. For the same reason, an asset that follows another order does
not take over. Power that no asset can take over is the group's shortfall.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import AssetOrder, DispatchGroup
from derhead.dispatch.sites.allocation import Allocation, Candidate, DoesNotFit, Share, allocate
from derhead.dispatch.sites.groups import current_parts, holds
from derproto.base.windows import Window
from derproto.configuration.fleet import Asset

LOST = frozenset({State.REJECTED, State.FAILED, State.EXPIRED})
"""The ends of a part that the other assets make up for."""

AWAY = "its agent was away, and other assets took over"
"""The reason with which the part of an absent agent is withdrawn."""

LEAST_GRACE_S = 2.0
"""Shortest time for an agent to come back, whatever the failsafe. An agent reconnects within half
a second unless something is wrong."""

LEAST_LEFT_US = 1_000_000
"""Shortest rest of the window for which power is split again."""

LEAST_CHANGE_MW = 1e-6
"""Smallest change of power for which a part is replaced: a watt."""


@dataclass(frozen=True, slots=True)
class Reallocation:
    """The orders and withdrawals by which others take over."""

    orders: tuple[AssetOrder, ...]
    """New parts."""
    cancels: tuple[str, ...]
    """The ids of the parts to withdraw: those of absent agents."""


def grace_us(asset: Asset) -> int | None:
    """How long an asset's agent may be away before its part is lost; None = no limit."""
    after_s = asset.failsafe.after_s
    return round(max(after_s, LEAST_GRACE_S) * 1e6) if after_s else None


def lost_assets(
    parts: Sequence[Dispatch],
    assets: Mapping[str, Asset],
    away_since_us: Mapping[str, int],
    now_us: int,
) -> frozenset[str]:
    """The assets that have dropped out of a group.

    ``away_since_us`` maps each asset that no session holds to the time since when none has.
    """
    lost = set()
    for part in current_parts(parts):
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
    """How the others take over from the ``lost`` assets; None if there is nothing to do.

    ``candidates`` are the site's assets as they are now. ``busy`` assets follow another order.
    """
    left = group.window.remaining(now_us)
    left_us = left.duration_us
    over = left_us is not None and left_us < LEAST_LEFT_US
    if group.cancelling is not None or over or not lost:
        return None
    counting = {part.asset_id: part for part in current_parts(parts)}
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
            # It keeps its part, or an order to the asset superseded the part.
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
    """The shares of the power, or of the most that fits."""
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
        ordered_by=group.ordered_by,
    )

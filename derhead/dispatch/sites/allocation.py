"""Splits one power for a site over its assets. Pure.

The split goes by *headroom*: the power that an asset could add to its present power, by its
limits, its newest telemetry and its state of charge. ``reach`` gives the range of each asset, and
``allocate`` splits.

- Only assets whose reach extends in the order's direction take part: a load does not take part in
  an order to generate 3 MW.
- Each asset starts from its present power, or from the part that it holds. If that has the other
  sign, the asset starts from its least power, mostly 0. If the sum is too small, the difference is
  shared in proportion to headroom; if it is too large, in proportion to each asset's power. So the
  split uses sunlight before it discharges a battery, and twenty equal batteries get equal parts.
- An order for 0 MW sends 0 to every asset whose reach includes 0.

The parts are whole milliwatts and sum up to the order exactly. The same input gives the same
parts, and no part is beyond the reach of its asset.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from derhead.dispatch.orders.order import LeftOut
from derproto.configuration.fleet import Asset, AssetKind

_UNITS = 1e9
"""Milliwatts in a megawatt. Shares are whole milliwatts, so that they sum up exactly."""

EMPTY, FULL = 0.0, 1.0
"""States of charge at which a battery stops discharging, and stops charging."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An asset of a site as it is now."""

    asset: Asset
    online: bool
    """A connected agent holds it."""
    p_mw: float | None = None
    """Its power, MW; None = unknown, or stale."""
    soc: float | None = None
    """State of charge, 0..1."""
    fresh: bool = True
    """Its newest sample is not stale."""
    outranked: bool = False
    """A dispatch of a higher priority claims it in the order's window."""
    held_mw: float | None = None
    """The part of this order that it already holds; None = none."""


@dataclass(frozen=True, slots=True)
class Reach:
    """The range of power that an asset can be told and hold, MW."""

    low_mw: float
    high_mw: float


@dataclass(frozen=True, slots=True)
class Share:
    """The part of one asset."""

    asset_id: str
    mw: float


@dataclass(frozen=True, slots=True)
class Allocation:
    """A split whose parts sum up to the order."""

    shares: tuple[Share, ...]
    """In the order of the candidates."""
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class DoesNotFit:
    """The site cannot do the order. The two powers are the greatest that it can do either way."""

    low_mw: float
    high_mw: float
    left_out: tuple[LeftOut, ...] = ()


def why_left_out(left_out: Sequence[LeftOut]) -> str:
    """The number of assets for each reason, in words."""
    counts = Counter(left.why for left in left_out)
    return ", ".join(f"{count} {why}" for why, count in counts.items())


def reach(candidate: Candidate, duration_us: int | None) -> Reach | str:
    """The range that the asset can be told for ``duration_us``, or why it takes no part.

    - An asset that is offline, or that follows an order of a higher priority, takes no part.
    - A battery does not discharge when empty, nor charge when full. If ``energy_mwh``, the state
      of charge and the length of the window are known, it is asked only for what it can hold to
      the end. Losses are unknown here and do not count.
    - A solar asset gives no more than it gives now. A load or a charger takes no more than it
      takes now. Nothing measures what more they could do. Without telemetry they take no part.
    - A generator goes by its limits.
    """
    asset = candidate.asset
    if not candidate.online:
        return "offline"
    if candidate.outranked:
        return "follows an order of a higher priority"
    low_mw, high_mw = asset.limits.min_mw, asset.limits.max_mw
    match asset.kind:
        case AssetKind.BATTERY:
            discharge_mw, charge_mw = _battery_mw(candidate, duration_us)
            high_mw, low_mw = min(high_mw, discharge_mw), max(low_mw, -charge_mw)
        case AssetKind.SOLAR:
            if candidate.p_mw is None:
                return "its output is not known"
            high_mw = min(high_mw, max(0.0, candidate.p_mw))
        case AssetKind.EV_CHARGER | AssetKind.LOAD:
            if candidate.p_mw is None:
                return "its demand is not known"
            low_mw = max(low_mw, min(0.0, candidate.p_mw))
        case AssetKind.GENERATOR:
            pass
    return (
        Reach(low_mw, high_mw) if low_mw <= high_mw else "its state and its limits leave no power"
    )


def allocate(
    mw: float, candidates: Sequence[Candidate], *, duration_us: int | None
) -> Allocation | DoesNotFit:
    """Splits ``mw`` over the candidates. Their order decides between equals."""
    reaches: list[tuple[Candidate, Reach]] = []
    left_out: list[LeftOut] = []
    for candidate in candidates:
        found = reach(candidate, duration_us)
        if isinstance(found, str):
            left_out.append(LeftOut(candidate.asset.id, found))
        else:
            reaches.append((candidate, found))
    wanted = round(mw * _UNITS)
    if wanted == 0:
        return _all_at_zero(reaches, left_out)
    # From here on, power in the order's direction is positive.
    sign = 1 if wanted > 0 else -1
    rooms: list[_Room] = []
    for candidate, found in reaches:
        room = _Room.of(candidate, found, sign)
        if room is None:
            left_out.append(LeftOut(candidate.asset.id, "it has no headroom in this direction"))
        else:
            rooms.append(room)
    wanted *= sign
    _drop_must_runs(rooms, wanted, left_out)
    if not sum(room.low for room in rooms) <= wanted <= sum(room.high for room in rooms):
        return DoesNotFit(*site_reach(candidates, duration_us=duration_us), tuple(left_out))
    shares = _split(wanted, rooms)
    return Allocation(
        tuple(
            Share(room.candidate.asset.id, _mw(sign * share, room.reach))
            for room, share in zip(rooms, shares, strict=True)
        ),
        tuple(left_out),
    )


def site_reach(candidates: Iterable[Candidate], *, duration_us: int | None) -> tuple[float, float]:
    """The greatest consumption (negative) and generation that the assets together can be told."""
    reaches = [reach(candidate, duration_us) for candidate in candidates]
    known = [found for found in reaches if isinstance(found, Reach)]
    low_mw = math.fsum(min(0.0, found.low_mw) for found in known)
    high_mw = math.fsum(max(0.0, found.high_mw) for found in known)
    return low_mw, high_mw


def _battery_mw(candidate: Candidate, duration_us: int | None) -> tuple[float, float]:
    """The power at which it can discharge and charge, MW, both 0 or more."""
    soc, energy_mwh = candidate.soc, candidate.asset.energy_mwh
    if soc is None:
        return math.inf, math.inf
    left, room = max(0.0, soc - EMPTY), max(0.0, FULL - soc)
    if energy_mwh is None or duration_us is None:
        return (math.inf if left else 0.0), (math.inf if room else 0.0)
    hours = duration_us / 3.6e9
    return left * energy_mwh / hours, room * energy_mwh / hours


@dataclass(slots=True)
class _Room:
    """A candidate's range in the order's direction, in milliwatts."""

    candidate: Candidate
    reach: Reach
    low: int
    """The least power that it can be told, 0 or more."""
    high: int
    base: int
    """The power that it starts from."""

    @classmethod
    def of(cls, candidate: Candidate, reach: Reach, sign: int) -> "_Room | None":
        ends = sorted((sign * _whole(reach.low_mw), sign * _whole(reach.high_mw)))
        low, high = max(0, ends[0]), ends[1]
        if high <= 0:
            return None
        now_mw = candidate.held_mw if candidate.held_mw is not None else candidate.p_mw
        base = 0 if now_mw is None else sign * _whole(now_mw)
        return cls(candidate, reach, low, high, min(max(base, low), high))


def _whole(mw: float) -> int:
    # No limits are beyond this, but a reading may be anything.
    return round(min(max(mw, -1e9), 1e9) * _UNITS)


def _mw(units: int, within: Reach) -> float:
    return min(max(units / _UNITS, within.low_mw), within.high_mw)


def _all_at_zero(reaches: Sequence[tuple[Candidate, Reach]], left_out: list[LeftOut]) -> Allocation:
    shares = []
    for candidate, found in reaches:
        if found.low_mw <= 0 <= found.high_mw:
            shares.append(Share(candidate.asset.id, 0.0))
        else:
            left_out.append(LeftOut(candidate.asset.id, "its limits do not allow 0"))
    return Allocation(tuple(shares), tuple(left_out))


def _drop_must_runs(rooms: list[_Room], wanted: int, left_out: list[LeftOut]) -> None:
    """Leaves out assets whose least power is too much, greatest first, until the rest fit."""
    least = sum(room.low for room in rooms)
    dropped: set[int] = set()
    for place in sorted(range(len(rooms)), key=lambda place: -rooms[place].low):
        if least <= wanted:
            break
        least -= rooms[place].low
        dropped.add(place)
        asset_id = rooms[place].candidate.asset.id
        left_out.append(LeftOut(asset_id, "its least power is more than its share"))
    rooms[:] = [room for place, room in enumerate(rooms) if place not in dropped]


def _split(wanted: int, rooms: Sequence[_Room]) -> list[int]:
    missing = wanted - sum(room.base for room in rooms)
    if missing >= 0:
        more = _in_proportion(missing, [room.high - room.base for room in rooms])
        return [room.base + part for room, part in zip(rooms, more, strict=True)]
    less = _in_proportion(-missing, [room.base - room.low for room in rooms])
    return [room.base - part for room, part in zip(rooms, less, strict=True)]


def _in_proportion(amount: int, weights: Sequence[int]) -> list[int]:
    """Splits ``amount``, at most the sum of ``weights``, into whole parts within their weights.

    The parts with the largest remainders get what rounding down leaves; among equals, the first
    do.
    """
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    parts = [amount * weight // total for weight in weights]
    remainders = [amount * weight % total for weight in weights]
    order = sorted(range(len(weights)), key=lambda place: -remainders[place])
    for place in order[: amount - sum(parts)]:
        parts[place] += 1
    return parts

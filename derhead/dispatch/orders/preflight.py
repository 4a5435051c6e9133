"""What an order would do, without giving it. Pure.

The answer has figures and one sentence for people. It describes the present, which may change
before the order is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.orders.order import AssetOrder
from derproto.base.windows import Window
from derproto.configuration.fleet import Asset, AssetKind


class Afterwards(StrEnum):
    """What an asset does after a window."""

    DISPATCH = "dispatch"
    """It follows the next dispatch."""
    DEFAULT = "default"
    """It is told its default."""
    RELEASE = "release"
    """It returns to its own control."""
    HOLD = "hold"
    """The window has no end: the asset holds until the dispatch is replaced."""


@dataclass(frozen=True, slots=True)
class Follows:
    """What follows a window, with its MW if they are known."""

    then: Afterwards
    mw: float | None = None
    dispatch_id: str | None = None


@dataclass(frozen=True, slots=True)
class Preflight:
    """What an order to one asset would do."""

    order: AssetOrder
    asset: Asset
    online: bool
    window: Window
    """The rest of the order's window."""
    within_limits: bool
    p_mw: float | None
    """The asset's power now."""
    soc: float | None
    energy_mwh: float | None
    """The energy in the window, with the sign of power; None if the window has no end."""
    available_mwh: float | None
    """The energy that the battery can give or take, 0 or more; None = unknown, or no battery."""
    enough_energy: bool | None
    supersedes: tuple[str, ...]
    """The dispatches that it would supersede."""
    gives_way_to: str | None
    """The dispatch that would supersede it at once; None = no dispatch would."""
    follows: Follows
    sentence: str


def preflight(
    order: AssetOrder,
    asset: Asset,
    held: Sequence[Dispatch],
    *,
    online: bool,
    p_mw: float | None,
    soc: float | None,
    now_us: int,
) -> Preflight:
    """What ``order`` would do; ``held`` are the asset's open dispatches."""
    # A dispatch that is being withdrawn supersedes no other, and is gone by then.
    held = [each for each in held if each.cancelling is None]
    window = order.window(now_us).remaining(now_us)
    overlapping = [each for each in held if each.window.overlaps(window)]
    winner = next((each for each in overlapping if each.priority < order.priority), None)
    losers = [] if winner is not None else overlapping
    duration_us = window.duration_us
    energy_mwh = None if duration_us is None else order.mw * duration_us / 3.6e9
    available_mwh = _available_mwh(order.mw, asset, soc)
    enough = None
    if energy_mwh is not None and available_mwh is not None:
        # Half a watt-hour, for rounding.
        enough = abs(energy_mwh) <= available_mwh + 5e-7
    found = Preflight(
        order=order,
        asset=asset,
        online=online,
        window=window,
        within_limits=order.mw in asset.limits,
        p_mw=p_mw,
        soc=soc,
        energy_mwh=energy_mwh,
        available_mwh=available_mwh,
        enough_energy=enough,
        supersedes=tuple(each.id for each in losers),
        gives_way_to=winner.id if winner is not None else None,
        follows=_follows(asset, held, window.end_us),
        sentence="",
    )
    return _said(found, now_us)


def _available_mwh(mw: float, asset: Asset, soc: float | None) -> float | None:
    if asset.kind is not AssetKind.BATTERY or asset.energy_mwh is None or soc is None:
        return None
    share = soc if mw > 0 else 1.0 - soc
    return min(max(share, 0.0), 1.0) * asset.energy_mwh


def _follows(asset: Asset, held: Sequence[Dispatch], end_us: int | None) -> Follows:
    if end_us is None:
        return Follows(Afterwards.HOLD)
    # A dispatch that begins before the end is superseded by this one, or supersedes it.
    next_one = min(
        (each for each in held if each.start_us == end_us),
        key=lambda each: (each.priority, -each.created_us),
        default=None,
    )
    if next_one is not None:
        return Follows(Afterwards.DISPATCH, next_one.mw, next_one.id)
    if asset.default_mw is None:
        return Follows(Afterwards.RELEASE)
    return Follows(Afterwards.DEFAULT, asset.default_mw)


def _said(found: Preflight, now_us: int) -> Preflight:
    """The preflight with its sentence."""
    if not found.within_limits:
        limits = found.asset.limits
        sentence = (
            f"{found.asset.name} would not get this order: {found.order.mw:.6g} MW is beyond its "
            f"limits, {limits.min_mw:.6g} to {limits.max_mw:.6g} MW."
        )
    elif found.gives_way_to is not None:
        sentence = (
            f"{found.asset.name} would not follow this order: dispatch {found.gives_way_to} "
            "overlaps and has a higher priority."
        )
    else:
        sentence = (
            f"{_who(found)} would hold {found.order.mw:.6g} MW {_when(found, now_us)}"
            f"{_energy(found)}{superseding(len(found.supersedes))}; {_end(found)}."
        )
    return replace(found, sentence=sentence)


def _who(found: Preflight) -> str:
    state = "is online and" if found.online else "is offline, and once its agent is back"
    return f"{found.asset.name} {state}"


def _when(found: Preflight, now_us: int) -> str:
    delay_s = (found.window.start_us - now_us) / 1e6
    duration_us = found.window.duration_us
    length = "without an end" if duration_us is None else f"for {_spell(duration_us / 1e6)}"
    return f"from now {length}" if delay_s <= 0 else f"{length}, beginning in {_spell(delay_s)}"


def _energy(found: Preflight) -> str:
    if found.energy_mwh is None:
        return ""
    said = f", {abs(found.energy_mwh):.4g} MWh"
    if found.available_mwh is None:
        return said
    verb = "give" if found.order.mw > 0 else "take"
    if found.enough_energy:
        return f"{said} of the {found.available_mwh:.4g} MWh that it can {verb}"
    return f"{said}, more than the {found.available_mwh:.4g} MWh that it can {verb}"


def superseding(number: int) -> str:
    """The end of a clause that says how many dispatches are superseded; empty if none is."""
    if not number:
        return ""
    return f", superseding {number} {'dispatch' if number == 1 else 'dispatches'}"


def _end(found: Preflight) -> str:
    match found.follows:
        case Follows(Afterwards.HOLD):
            return "the order ends when it is replaced or cancelled"
        case Follows(Afterwards.DISPATCH, mw, dispatch_id):
            return f"then dispatch {dispatch_id} follows, at {mw:.6g} MW"
        case Follows(Afterwards.DEFAULT, mw):
            return f"then it returns to its default, {mw:.6g} MW"
        case _:
            return "then it returns to its own control"


def _spell(seconds: float) -> str:
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"

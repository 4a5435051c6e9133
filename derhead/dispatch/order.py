"""An order for one asset: read from what a caller sent, and checked against the asset. Pure."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from derproto.base.fleet import Asset, Fleet

DEFAULT_PRIORITY = 128
MAX_DURATION_S = 10 * 366 * 86_400
"""Ten years: anything longer is a slip of the unit."""

LATER = frozenset({"site_id", "start_at", "expires_in_s", "dry_run"})
"""Members of an order that this version does not know yet, and refuses rather than ignores."""

MEMBERS = ("asset_id", "mw", "duration_s", "priority", "ramp_mw_per_s")


@dataclass(frozen=True, slots=True)
class Order:
    """What a caller wants of one asset."""

    asset_id: str
    """UUID of an asset of the fleet."""
    mw: float
    """Active power to hold, MW; positive = generation, negative = consumption."""
    duration_us: int | None = None
    """Length of the window, microseconds, above 0; None = until replaced."""
    priority: int = DEFAULT_PRIORITY
    """0..255; the lower number wins."""
    ramp_mw_per_s: float | None = None
    """Greatest rate of change, MW/s, above 0; None = as fast as the device can."""


@dataclass(frozen=True, slots=True)
class OrderProblem:
    """One thing that is wrong with an order."""

    pointer: str
    """JSON pointer (RFC 6901) to the member."""
    detail: str


@dataclass(frozen=True, slots=True)
class BadOrder:
    """The order cannot be taken; all that is wrong with it."""

    problems: tuple[OrderProblem, ...]


@dataclass(frozen=True, slots=True)
class UnknownAsset:
    """The order names no asset of the fleet."""

    asset_id: str


def read_order(body: object, fleet: Fleet) -> Order | BadOrder | UnknownAsset:
    """The order in a JSON body; ``asset_id`` may be an asset's UUID or its unique name."""
    if not isinstance(body, Mapping):
        return _bad("", f"an order is an object with {', '.join(MEMBERS)}")
    problems = [_unknown(name) for name in body if name not in MEMBERS]
    asset = None
    asset_id = body.get("asset_id")
    if asset_id is None:
        problems.append(OrderProblem("/asset_id", "missing; give an asset's id or name"))
    elif not isinstance(asset_id, str):
        problems.append(OrderProblem("/asset_id", "must be a string, an asset's id or name"))
    else:
        asset = fleet.find_asset(asset_id)
        if asset is None:
            return UnknownAsset(asset_id)
    mw = _number(body, "mw", problems, required=True, check=lambda mw: _check_mw(mw, asset))
    duration_s = _number(body, "duration_s", problems, check=_check_duration)
    ramp = _number(body, "ramp_mw_per_s", problems, check=_check_ramp)
    priority = body.get("priority", DEFAULT_PRIORITY)
    if isinstance(priority, bool) or not isinstance(priority, int) or not 0 <= priority <= 255:
        problems.append(
            OrderProblem("/priority", "must be a whole number from 0 (wins) to 255, default 128")
        )
    if problems:
        return BadOrder(tuple(problems))
    assert asset is not None
    assert mw is not None
    return Order(
        asset_id=asset.id,
        mw=mw,
        duration_us=None if duration_s is None else max(1, round(duration_s * 1e6)),
        priority=priority,
        ramp_mw_per_s=ramp,
    )


def _bad(pointer: str, detail: str) -> BadOrder:
    return BadOrder((OrderProblem(pointer, detail),))


def _unknown(name: object) -> OrderProblem:
    pointer = "/" + str(name).replace("~", "~0").replace("/", "~1")
    if name in LATER:
        return OrderProblem(pointer, "not available in this version")
    near = difflib.get_close_matches(str(name), MEMBERS, n=1)
    advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(MEMBERS)}"
    return OrderProblem(pointer, f"unknown member; {advice}")


def _number(
    body: Mapping[str, object],
    name: str,
    problems: list[OrderProblem],
    *,
    required: bool = False,
    check: Callable[[float], str | None],
) -> float | None:
    value = body.get(name)
    if value is None and not required:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        what = "missing; give a number" if value is None else "must be a number"
        problems.append(OrderProblem(f"/{name}", what))
        return None
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    wrong = check(number) if math.isfinite(number) else "must be a finite number"
    if wrong is not None:
        problems.append(OrderProblem(f"/{name}", wrong))
        return None
    return number


def _check_mw(mw: float, asset: Asset | None) -> str | None:
    if asset is None or mw in asset.limits:
        return None
    limits = asset.limits
    return (
        f"{mw:g} MW is outside {limits.min_mw:g}..{limits.max_mw:g} MW, the limits of {asset.name}"
    )


def _check_duration(duration_s: float) -> str | None:
    if 0 < duration_s <= MAX_DURATION_S:
        return None
    return "must be above 0 s and at most ten years; leave it out to hold until replaced"


def _check_ramp(ramp_mw_per_s: float) -> str | None:
    return None if ramp_mw_per_s > 0 else "must be above 0 MW/s"

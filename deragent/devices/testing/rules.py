"""What must hold of a device's answers: pure."""

import math
from dataclasses import fields

from deragent.devices.device import Measurement, Nameplate
from derproto.configuration.fleet import Asset, AssetKind, Limits
from derproto.der.v1 import Health, OperatingState

OVERLOAD = 1.2
"""Most power that a device may show, as a share of its rating."""
HERTZ = Limits(40.0, 70.0)
VOLTS = Limits(0.0, 100_000.0)


class NotConforming(AssertionError):
    """The device does not keep the contract of ``deragent.devices.Device``."""


def insist(holds: bool, text: str) -> None:
    """Raises: NotConforming with the text, if it does not hold."""
    if not holds:
        raise NotConforming(text)


def insist_on_measurement(asset: Asset, reading: object) -> Measurement:
    """The reading, if its values are possible in their units."""
    if not isinstance(reading, Measurement):
        raise NotConforming(f"read returned {reading!r}; return a Measurement")
    for each in fields(reading):
        value = getattr(reading, each.name)
        if isinstance(value, float) and not math.isfinite(value):
            raise NotConforming(f"read: {each.name} is {value}; an unknown value is None")
    most_mw = OVERLOAD * asset.rated_mw
    for name, bounds, unit in (
        ("p_mw", Limits(-most_mw, most_mw), "MW, positive = generation"),
        ("soc", Limits(0.0, 1.0), "a share from 0 to 1"),
        ("voltage_v", VOLTS, "V from line to neutral"),
        ("frequency_hz", HERTZ, "Hz"),
    ):
        value = getattr(reading, name)
        insist(
            value is None or value in bounds,
            f"read: {name} is {value}, beyond {bounds.min_mw:g}..{bounds.max_mw:g}; give {unit}",
        )
    insist(
        isinstance(reading.status, OperatingState) and isinstance(reading.health, Health),
        "read: status is an OperatingState, health a Health",
    )
    insist(
        bool(reading.fault) == (reading.health is Health.DEGRADED),
        "read: a fault in words and the health DEGRADED go together",
    )
    return reading


def insist_on_nameplate(nameplate: object) -> None:
    if not isinstance(nameplate, Nameplate):
        raise NotConforming(f"identify returned {nameplate!r}; return a Nameplate")
    rated_mw = nameplate.rated_mw
    insist(
        rated_mw is None or (math.isfinite(rated_mw) and rated_mw > 0),
        f"identify: rated_mw is {rated_mw}; give MW above 0, or None",
    )


def insist_on_limits(limits: Limits) -> None:
    insist(
        math.isfinite(limits.min_mw) and math.isfinite(limits.max_mw),
        f"limits are {limits.min_mw}..{limits.max_mw}; give finite MW",
    )
    insist(
        limits.min_mw <= limits.max_mw,
        f"limits: {limits.min_mw:g} MW is above {limits.max_mw:g} MW",
    )


def levels_of(asset: Asset, limits: Limits) -> tuple[float, ...]:
    """Setpoints to try: both ends of what is allowed, and between, each far from the one before."""
    low, high = max(asset.limits.min_mw, limits.min_mw), min(asset.limits.max_mw, limits.max_mw)
    levels = (high, low, 0.5 * high, 0.5 * low, 0.0)
    return tuple(dict.fromkeys(mw for mw in levels if low <= mw <= high))


def follows(kind: AssetKind, p_mw: float, told_mw: float, tolerance_mw: float) -> bool:
    """Whether that power follows the setpoint: sun and vehicles may give or take less."""
    if kind is AssetKind.SOLAR:
        return -tolerance_mw <= p_mw <= told_mw + tolerance_mw
    if kind is AssetKind.EV_CHARGER:
        return told_mw - tolerance_mw <= p_mw <= tolerance_mw
    return abs(p_mw - told_mw) <= tolerance_mw

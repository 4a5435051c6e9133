"""Reading a driver's own keys from an asset's ``device`` section."""

import math

from deragent.devices.device import DeviceConfigError
from derproto.configuration.fleet import Asset


def only(asset: Asset, known: frozenset[str]) -> None:
    """Refuses unknown keys.

    Raises: DeviceConfigError that names the first one.
    """
    unknown = sorted(set(asset.device.options) - known)
    if unknown:
        raise DeviceConfigError(
            f"asset {asset.name}: device.{unknown[0]}: driver {asset.device.driver!r} has no such "
            f"key for kind {asset.kind}; it has: {', '.join(sorted(known))}"
        )


def number(asset: Asset, key: str, default: float, *, least: float, most: float) -> float:
    """The option as a number within bounds, or ``default`` if it is absent.

    Raises: DeviceConfigError that names the key.
    """
    value = asset.device.options.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DeviceConfigError(f"asset {asset.name}: device.{key}: not a number: {value!r}")
    if not least <= value <= most:
        raise DeviceConfigError(
            f"asset {asset.name}: device.{key}: {value!r} is not within {least:g}..{most:g}"
        )
    return float(value)


def seed(asset: Asset) -> str:
    """The seed of the device's noise: ``device.seed``, else the asset's id."""
    return str(asset.device.options.get("seed", asset.id))

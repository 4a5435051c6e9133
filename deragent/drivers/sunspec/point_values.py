"""Values of points: registers to values and back, not-implemented values, scale factors. Pure.

Registers are big-endian bytes, as on the wire. The conversions are those of pysunspec2.
"""

import math
from dataclasses import dataclass

from sunspec2 import mb

from deragent.drivers.sunspec.model_definitions import PointDefinition

Raw = int | float | str

MOST_SCALE = 10
"""Greatest power of ten of a scale factor, in either direction; beyond, its values are unknown."""

SIGNED = frozenset({"int16", "int32", "int64"})
FLOATS = frozenset({"float32", "float64"})
TEXTS = frozenset({"string", "ipv6addr", "eui48"})


class UnfitValueError(ValueError):
    """The value cannot stand in the point."""


_POWERS: tuple[int, ...] = tuple(10**exponent for exponent in range(MOST_SCALE + 1))


@dataclass(frozen=True, slots=True)
class Scale:
    """A power of ten, from ``-MOST_SCALE`` to ``MOST_SCALE``."""

    exponent: int = 0

    def up(self, raw: int) -> int | float:
        """The value of a raw number: ``raw * 10**exponent``."""
        power = _POWERS[abs(self.exponent)]
        return raw * power if self.exponent >= 0 else raw / power

    def down(self, value: float) -> int:
        """The raw number nearest to a finite value."""
        power = _POWERS[abs(self.exponent)]
        return round(value / power if self.exponent >= 0 else value * power)


def decode(point: PointDefinition, data: bytes) -> Raw | None:
    """The raw value of a point; None if it is not implemented, or is no value of its type."""
    if len(data) != 2 * point.size or data == not_implemented(point):
        return None
    if point.type in TEXTS:
        return _text(point, data)
    value = mb.point_type_info[point.type].data_to(data)
    if point.type in FLOATS:
        return value if value is not None and math.isfinite(value) else None
    return int(value)


def _text(point: PointDefinition, data: bytes) -> str | None:
    if point.type != "string":
        value = mb.point_type_info[point.type].data_to(data)
        return None if value is None else str(value)
    # Devices pad with NULs or blanks, and some leave garbage behind the first NUL.
    text = data.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return text if text and text.isprintable() else None


def not_implemented(point: PointDefinition) -> bytes:
    """The registers of a point that the device does not implement."""
    return bytes(mb.create_unimpl_value(point.type, 2 * point.size))


def scale_of(raw: Raw | None) -> Scale | None:
    """The scale that a scale factor gives; None if the factor is out of range or unknown."""
    if isinstance(raw, int) and -MOST_SCALE <= raw <= MOST_SCALE:
        return Scale(raw)
    return None


def encode(point: PointDefinition, value: float, scale: Scale) -> bytes:
    """The registers that hold a number, rounded to the point's resolution.

    Raises: UnfitValueError, also if the registers would mean "not implemented".
    """
    if not math.isfinite(value):
        raise UnfitValueError(f"{point.name}: {value} is not finite")
    if point.type in FLOATS:
        return bytes(mb.point_type_info[point.type].to_data(value))
    raw, bits = scale.down(value), 16 * point.size
    least, most = 0, 2**bits - 1
    if point.type in SIGNED:
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    if not least <= raw <= most:
        low, high = scale.up(least), scale.up(most)
        raise UnfitValueError(f"{point.name}: {value:g} is not from {low:g} to {high:g}")
    data = raw.to_bytes(2 * point.size, "big", signed=point.type in SIGNED)
    if data == not_implemented(point):
        raise UnfitValueError(f"{point.name}: {value:g} would mean that it is not implemented")
    return data

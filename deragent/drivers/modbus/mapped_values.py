"""Values of a map's points: registers to values and back, words in either order. Pure."""

import math
import struct
from dataclasses import dataclass

from deragent.modbus_tcp.read_plan import RegisterImage, Span

Raw = int | float | str

TEXT = "text"
"""The type of ASCII, two characters a register."""
CODES = {
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "uint64": "Q",
    "float32": "f",
    "float64": "d",
}
"""Types of numbers, with their codes in the module struct."""
FLOAT_STEP = 1e-6
"""Part of a value of type float32 by which it may differ from what was written."""


def registers_of_type(type: str) -> int:
    """The registers of a number of that type."""
    return struct.calcsize(f">{CODES[type]}") // 2


@dataclass(frozen=True, slots=True)
class MappedPoint:
    """One value in a device's registers."""

    span: Span
    type: str
    factor: float = 1.0
    """The value is the raw number times this, in the unit of its use: MW, Mvar, V, Hz, a share."""
    little: bool = False
    """Whether the least significant word comes first. The bytes of a word never change places."""
    unknown: frozenset[Raw] = frozenset()
    """Raw values that mean that the device does not know it."""
    unit: str = ""
    """As the map says it, for people."""
    shown: float = 1.0
    """The value in that unit is the raw number times this."""

    def raw(self, image: RegisterImage) -> Raw | None:
        """The raw value; None if it was not read, or is unknown to the device."""
        data = image.get(self.span)
        if len(data) != 2 * self.span.count:
            return None
        raw = _text(data) if self.type == TEXT else self._number(data)
        return None if raw in self.unknown else raw

    def _number(self, data: bytes) -> int | float | None:
        number: int | float = struct.unpack(f">{CODES[self.type]}", self._ordered(data))[0]
        return number if math.isfinite(number) else None

    def _ordered(self, data: bytes) -> bytes:
        if not self.little:
            return data
        return b"".join(data[at : at + 2] for at in range(len(data) - 2, -2, -2))

    def value(self, image: RegisterImage) -> float | None:
        """The value of a number in the unit of its use; None as for ``raw``."""
        raw = self.raw(image)
        return raw * self.factor if isinstance(raw, int | float) else None

    def encode_raw(self, raw: float) -> bytes:
        """The registers that hold a raw number. Raises: ValueError, if they cannot."""
        try:
            return self._ordered(struct.pack(f">{CODES[self.type]}", raw))
        except (struct.error, OverflowError) as wrong:
            raise ValueError(f"{raw:g} does not fit into {self.type}") from wrong

    def encode(self, value: float) -> bytes:
        """The registers that hold a value, rounded to their resolution.

        Raises: ValueError, also if the registers would mean that the value is unknown.
        """
        exact = value / self.factor
        raw = exact if self.is_float else round(exact)
        if raw in self.unknown:
            raise ValueError(f"{raw:g} at {self.span.address} means that the value is unknown")
        return self.encode_raw(raw)

    @property
    def is_float(self) -> bool:
        return self.type.startswith("float")

    def resolution(self, value: float) -> float:
        """The greatest difference between a value and what the registers hold of it."""
        if self.is_float:
            return FLOAT_STEP * max(abs(value), abs(self.factor))
        return abs(self.factor)


def _text(data: bytes) -> str | None:
    # Devices pad with NULs or blanks, and some leave garbage behind the first NUL.
    text = data.partition(b"\0")[0].decode("utf-8", "replace").strip()
    return text if text and text.isprintable() else None

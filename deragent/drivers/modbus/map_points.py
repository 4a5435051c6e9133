"""Points in a map's YAML: address, type, scale, unit and sign, with every mistake noted."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from deragent.devices import Number, Truth, Whole, choice
from deragent.drivers.modbus.mapped_values import (
    CODES,
    TEXT,
    MappedPoint,
    Raw,
    registers_of_type,
)
from deragent.drivers.modbus.register_map import FixedWrite
from deragent.modbus_tcp import RegisterKind
from deragent.modbus_tcp.read_plan import MOST_AT_ONCE, Span
from derproto.configuration.kinds import Kind, describe, member
from derproto.configuration.yamlfile import Section

ADDRESSES = 0x10000
SIGNS = {"generation": 1, "consumption": -1}
"""What a positive value in the registers means."""
ACTIVE = {"W": 1e-6, "kW": 1e-3, "MW": 1.0}
REACTIVE = {"var": 1e-6, "kvar": 1e-3, "Mvar": 1.0}
VOLTAGE = {"V": 1.0, "kV": 1e3}
FREQUENCY = {"Hz": 1.0, "mHz": 1e-3}
PERCENT = "%"
SHARE = {PERCENT: 0.01, "share": 1.0}
SETPOINT = {**ACTIVE, PERCENT: 0.01}
OTHERS = ("A", "Wh", "kWh", "MWh", "varh", "kvarh", "VA", "kVA", "degC", "s", "h")
ANY: Mapping[str, float] = {
    **ACTIVE,
    **REACTIVE,
    **VOLTAGE,
    **FREQUENCY,
    **SHARE,
    **dict.fromkeys(OTHERS, 1.0),
}
WORD_KEYS = ("address", "type", "registers", "word_order")
PLACE_KEYS = (*WORD_KEYS, "length")
_HEX = re.compile(r"0[xX][0-9a-fA-F]{1,4}")


@dataclass(frozen=True, slots=True)
class _Register:
    """The address of a register, from 0, decimal or as 0x10."""

    def read(self, raw: object) -> int:
        if isinstance(raw, str) and _HEX.fullmatch(raw):
            return int(raw, 16)
        return Whole(0, ADDRESSES - 1).read(raw)

    def parse(self, text: str) -> int:
        return self.read(text)


@dataclass(frozen=True, slots=True)
class RawList:
    """A raw value, or a list of them."""

    def read(self, raw: object) -> tuple[Raw, ...]:
        items = raw if isinstance(raw, list) else [raw]
        if not items:
            raise ValueError("empty; write at least one value")
        for item in items:
            if isinstance(item, bool) or not isinstance(item, int | float | str):
                raise ValueError(f"{describe(item)} is not a value; write a number or a text")
        return tuple(items)

    def parse(self, text: str) -> tuple[Raw, ...]:
        return (text,)


@dataclass(frozen=True, slots=True)
class PointDefaults:
    """What holds for points that do not say it themselves."""

    kind: RegisterKind = RegisterKind.HOLDING
    little: bool = False
    most_registers: int = MOST_AT_ONCE


@dataclass(frozen=True, slots=True)
class PointReader:
    """Reads points, and notes every mistake in the section's problems."""

    defaults: PointDefaults = field(default_factory=PointDefaults)

    def place(
        self, section: Section, *, writable: bool = False, texts: bool = False
    ) -> MappedPoint | None:
        """A point without scale and unit; None, with its mistakes noted, if it has any."""
        before = len(section.problems)
        advice = "write the address of the first register, from 0"
        address = section.require("address", _Register(), advice)
        types = (*CODES, TEXT) if texts else tuple(CODES)
        type = section.require("type", choice(types, "type"), f"write one of: {', '.join(types)}")
        kind = section.read("registers", member(RegisterKind, "kind"), self.defaults.kind)
        order = "little" if self.defaults.little else "big"
        order = section.read("word_order", choice(("big", "little"), "order"), order) or order
        length = section.optional("length", Whole(1, MOST_AT_ONCE, "registers"))
        if type == TEXT and length is None and section.value("length") is None:
            section.complain("length", "missing; write the registers that the text has")
        if type is not None and type != TEXT and length is not None:
            section.complain("length", f"{type} has its own length; remove it")
        if writable and kind is RegisterKind.INPUT:
            advice = "input registers cannot be written; write registers: holding"
            section.complain("registers", advice)
        count = registers_of_type(type) if type in CODES else length or 1
        if address is not None and address + count > ADDRESSES:
            text = f"{count} registers from {address} reach beyond {ADDRESSES - 1}"
            section.complain("address", f"{text}; correct the address")
        if count > self.defaults.most_registers:
            text = f"{count} registers are more than most_registers"
            section.complain("length", f"{text}; write at most {self.defaults.most_registers}")
        if len(section.problems) > before or None in (address, type, kind):
            return None
        assert address is not None
        assert type is not None
        assert kind is not None
        return MappedPoint(Span(address, count, kind), type, little=order == "little")

    def value(
        self,
        section: Section,
        units: Mapping[str, float],
        *,
        signed: bool = False,
        needs_unit: bool = True,
        writable: bool = False,
        more: Collection[str] = (),
    ) -> MappedPoint | None:
        """A point with scale, unit and sign; None, with its mistakes noted, if it has any."""
        before = len(section.problems)
        sign_key = ("sign",) if signed else ()
        section.refuse_unknown((*WORD_KEYS, "scale", "unit", *sign_key, "unknown", *more))
        place = self.place(section, writable=writable)
        scale = section.read("scale", Number(), 1.0)
        if scale == 0:
            section.complain("scale", "0 makes every value 0; write what one step is worth")
        unit: str | None = ""
        if needs_unit or section.value("unit") is not None:
            words = f"write one of: {', '.join(units)}"
            unit = section.require("unit", choice(units, "unit"), words)
        sign: str | None = "generation"
        if signed:
            advice = f"write what positive values mean: {' or '.join(SIGNS)}"
            sign = section.require("sign", choice(SIGNS, "sign"), advice)
        unknown = section.read("unknown", RawList(), ())
        if len(section.problems) > before or place is None:
            return None
        assert scale is not None
        assert unit is not None
        assert sign is not None
        return MappedPoint(
            place.span,
            place.type,
            factor=scale * SIGNS[sign] * units.get(unit, 1.0),
            little=place.little,
            unknown=frozenset(unknown or ()),
            unit=unit,
            shown=scale,
        )

    def write(self, section: Section, *, compared: bool = True) -> FixedWrite | None:
        """A register with the raw value to write; None, with its mistakes noted."""
        section.refuse_unknown((*WORD_KEYS, "value", "read_back"))
        place = self.place(section, writable=True)
        number = section.require("value", Number(), "write the number to write there")
        back = section.read("read_back", Truth(), compared)
        if place is None or number is None or back is None:
            return None
        raw = fitting(section, "value", place, number)
        return None if raw is None else FixedWrite(place, raw, back)

    def words(self, section: Section) -> MappedPoint | None:
        """The register of a section that says what its raw values mean."""
        place = self.place(section)
        if place is not None and place.is_float:
            section.complain("type", f"{place.type} has no codes; write a type of whole numbers")
            return None
        return place


def fitting(section: Section, key: str, place: MappedPoint, number: float) -> float | None:
    """The number as the point holds it; None, with the mistake noted, if it does not fit."""
    raw = number if place.is_float or number != int(number) else int(number)
    try:
        place.encode_raw(raw)
    except ValueError as wrong:
        section.complain(key, f"{wrong}; write a number that does")
        return None
    return raw


def meanings(section: Section, name: str, most: int, kind: Kind[str]) -> dict[int, str]:
    """The words by number, from 0, in the mapping at that key; mistakes are noted."""
    inner = section.section(name)
    found: dict[int, str] = {}
    for key in () if inner is None else inner.place().lines:
        assert inner is not None
        number = int(key) if re.fullmatch("[0-9]{1,20}", key) else -1
        if not 0 <= number <= most:
            inner.complain(key, f"{key[:60]!r} is no number of a value; write 0 to {most}")
            continue
        words = inner.require(key, kind, "write what it means")
        if words is not None:
            found[number] = words
    return found

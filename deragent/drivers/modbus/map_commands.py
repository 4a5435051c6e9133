"""The part of a register map that steers: setpoint, writes around it, release, watchdog."""

from collections.abc import Iterator

from deragent.devices import AssetKind, Limits, Number, Texts, Truth, Whole
from deragent.drivers.modbus.map_points import (
    ACTIVE,
    PERCENT,
    SETPOINT,
    SHARE,
    WORD_KEYS,
    PointReader,
    fitting,
)
from deragent.drivers.modbus.mapped_values import MappedPoint
from deragent.drivers.modbus.register_map import FixedWrite, MappedCommand, Watchdog
from derproto.configuration.problems import nearest
from derproto.configuration.yamlfile import Section

LONGEST_S = 86_400.0
"""Longest period in a map, seconds."""


class CommandReader:
    """Reads ``command``, and notes every mistake in its section's problems."""

    def __init__(self, top: Section, points: PointReader) -> None:
        self._top = top
        self._points = points

    def command(self) -> MappedCommand | None:
        """How the device is steered; None if it is not, or with mistakes, which are noted."""
        section = self._top.section("command")
        if section is None:
            return None
        section.refuse_unknown(
            ("setpoint", "kinds", "before", "after", "release", "limits", "watchdog")
        )
        if self._top.value("identity") is None:
            text = "missing; a map that steers needs it: write a register that only such devices"
            self._top.complain("identity", f"{text} have, and its value")
        setpoint, took = self._setpoint(section)
        release = self._writes(section, "release")
        if section.value("release") is None:
            text = "missing; write what returns the device to its own control"
            section.complain("release", text)
        before, after = self._writes(section, "before"), self._writes(section, "after")
        limits, watchdog = self._limits(section), self._watchdog(section)
        kinds = self._kinds(section)
        if setpoint is None:
            return None
        percent = setpoint.unit == PERCENT
        return MappedCommand(
            setpoint, percent, took, kinds, before, after, release, limits, watchdog
        )

    def _setpoint(self, section: Section) -> tuple[MappedPoint | None, MappedPoint | None]:
        inner = section.section("setpoint")
        if inner is None:
            if section.value("setpoint") is None:
                section.complain("setpoint", "missing; write where the power is written")
            return None, None
        point = self._points.value(inner, SETPOINT, signed=True, writable=True, more=("read_back",))
        value = inner.value("read_back")
        if value is not None and value.text is None:
            other = inner.section("read_back")
            units = SHARE if point is not None and point.unit == PERCENT else ACTIVE
            took = None if other is None else self._points.value(other, units, signed=True)
            return point, took
        return point, point if inner.read("read_back", Truth(), True) else None

    def _writes(self, section: Section, name: str) -> tuple[FixedWrite, ...]:
        compared = name != "release"
        found = [self._points.write(inner, compared=compared) for inner in listed(section, name)]
        return tuple(write for write in found if write is not None)

    def _limits(self, section: Section) -> Limits | None:
        inner = section.section("limits")
        if inner is None:
            return None
        inner.refuse_unknown(("min_mw", "max_mw"))
        low = inner.require("min_mw", Number(unit="MW"), "write the least setpoint")
        high = inner.require("max_mw", Number(unit="MW"), "write the greatest setpoint")
        if low is None or high is None:
            return None
        if low > high:
            inner.complain("min_mw", f"{low:g} is above max_mw {high:g}; exchange them")
        return Limits(low, high)

    def _kinds(self, section: Section) -> frozenset[AssetKind]:
        words = section.optional("kinds", Texts())
        for word in words or ():
            if word not in frozenset(AssetKind):
                text = f"there is no kind {word[:60]!r}; {nearest(word, AssetKind)}"
                section.complain("kinds", text)
        known = frozenset(kind for kind in AssetKind if kind in (words or ()))
        return known or frozenset(AssetKind)

    def _watchdog(self, section: Section) -> Watchdog | None:
        inner = section.section("watchdog")
        if inner is None:
            return None
        inner.refuse_unknown((*WORD_KEYS, "period_s", "value", "count_to"))
        kind = Number(least=1, most=LONGEST_S, unit="s")
        advice = "write the time after which the device reverts by itself"
        period_s = inner.require("period_s", kind, advice)
        count_to = inner.optional("count_to", Whole(1, 2**32 - 1))
        value = inner.optional("value", Number())
        if inner.value("address") is None:
            for key in ("type", "value", "count_to"):
                if inner.value(key) is not None:
                    inner.complain(key, "of no register; write address:, or remove it")
            return None if period_s is None else Watchdog(period_s, None, 0, None)
        point = self._points.place(inner, writable=True)
        if (value is None) == (count_to is None):
            inner.complain("value", "write either value: or count_to:, for what is written there")
        if point is None or period_s is None:
            return None
        key = "value" if count_to is None else "count_to"
        raw = fitting(inner, key, point, value or 0 if count_to is None else count_to)
        return None if raw is None else Watchdog(period_s, point, raw, count_to)


def listed(section: Section, name: str) -> Iterator[Section]:
    """The mappings in the list at that key; nothing if the key is absent."""
    if section.value(name) is not None:
        yield from section.sections(name, "write a list of registers")

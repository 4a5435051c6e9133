"""A register map's YAML file, with every mistake in it, its line and its remedy."""

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

from deragent.devices import TEXT, Number, OperatingState, Truth, Whole
from deragent.drivers.modbus.map_commands import LONGEST_S, CommandReader, listed
from deragent.drivers.modbus.map_points import (
    ACTIVE,
    ANY,
    FREQUENCY,
    PLACE_KEYS,
    REACTIVE,
    SHARE,
    VOLTAGE,
    WORD_KEYS,
    PointDefaults,
    PointReader,
    RawList,
    meanings,
)
from deragent.drivers.modbus.mapped_values import MappedPoint, Raw
from deragent.drivers.modbus.register_map import (
    NAMES,
    QUANTITIES,
    AlarmWord,
    DeviceHeartbeat,
    IdentityCheck,
    MappedNameplate,
    RegisterMap,
)
from deragent.modbus_tcp import RegisterKind
from deragent.modbus_tcp.read_plan import MOST_AT_ONCE
from derproto.configuration.kinds import choice, member
from derproto.configuration.problems import ConfigError, Problem
from derproto.configuration.yamlfile import Section, load_yaml

UNITS = {
    "p_mw": ACTIVE,
    "q_mvar": REACTIVE,
    "soc": SHARE,
    "voltage_v": VOLTAGE,
    "frequency_hz": FREQUENCY,
}
SIGNED = frozenset({"p_mw", "q_mvar"})
STATES = {(state.name or "").lower(): state for state in OperatingState}
MOST_BIT = 63
MOST_CODE = 2**64 - 1


def load_map(path: Path) -> RegisterMap:
    """Reads a map. Raises: ConfigError, with every mistake."""
    problems: list[Problem] = []
    section = load_yaml(path, problems)
    found = None if section is None else _Reading(section).whole()
    if problems or found is None:
        raise ConfigError(problems)
    return found


class _Reading:
    """One map, as far as it was read. Mistakes are in the problems of its sections."""

    def __init__(self, top: Section) -> None:
        self._top = top
        kind = top.read("registers", member(RegisterKind, "kind"), RegisterKind.HOLDING)
        order = top.read("word_order", choice(("big", "little"), "order"), "big")
        self._most = top.read("most_registers", Whole(4, MOST_AT_ONCE), MOST_AT_ONCE)
        self._points = PointReader(
            PointDefaults(
                kind or RegisterKind.HOLDING, order == "little", self._most or MOST_AT_ONCE
            )
        )

    def whole(self) -> RegisterMap | None:
        top = self._top
        top.refuse_unknown(
            (
                *("source", "registers", "word_order", "most_registers", "gaps", "nameplate"),
                *("identity", "measures", "shows", "status", "local", "alarms", "heartbeat"),
                "command",
            )
        )
        source = top.require("source", TEXT, "write the document with the device's registers")
        gaps = top.read("gaps", Truth(), True)
        measured = self._measured()
        found = RegisterMap(
            source or "",
            MappingProxyType(measured),
            self._nameplate(),
            MappingProxyType(dict(self._identity())),
            self._status(),
            self._local(),
            tuple(self._alarms()),
            self._heartbeat(),
            CommandReader(top, self._points).command(),
            MappingProxyType(dict(self._shown())),
            self._most or MOST_AT_ONCE,
            bool(gaps),
        )
        return None if top.problems else found

    # --- what the device says -----------------------------------------------------------

    def _measured(self) -> dict[str, MappedPoint]:
        section = self._top.section("measures")
        if section is None:
            if self._top.value("measures") is None:
                self._top.complain("measures", "missing; write measures: with p_mw: at least")
            return {}
        section.refuse_unknown(QUANTITIES)
        if section.value("p_mw") is None:
            section.complain("p_mw", "missing; write where the device says its active power")
        found = {}
        for name in QUANTITIES:
            inner = section.section(name)
            if inner is not None:
                point = self._points.value(inner, UNITS[name], signed=name in SIGNED)
                if point is not None:
                    found[name] = point
        return found

    def _shown(self) -> Iterator[tuple[str, MappedPoint]]:
        for name, inner in _named(self._top, "shows"):
            point = self._points.value(inner, ANY, needs_unit=False)
            if point is not None:
                yield name, point

    def _nameplate(self) -> MappedNameplate:
        section = self._top.section("nameplate")
        if section is None:
            return MappedNameplate()
        section.refuse_unknown((*NAMES, "rated_mw"))
        texts, points = {}, {}
        for name in NAMES:
            value = section.value(name)
            if value is not None and value.text is not None:
                texts[name] = value.text
            elif value is not None and (inner := section.section(name)) is not None:
                inner.refuse_unknown(PLACE_KEYS)
                point = self._points.place(inner, texts=True)
                if point is not None:
                    points[name] = point
        rated: float | MappedPoint | None
        value = section.value("rated_mw")
        if value is not None and value.text is None:
            inner = section.section("rated_mw")
            rated = None if inner is None else self._points.value(inner, ACTIVE)
        else:
            rated = section.optional("rated_mw", Number(above=0, unit="MW"))
        return MappedNameplate(MappingProxyType(texts), MappingProxyType(points), rated)

    def _identity(self) -> Iterator[tuple[str, IdentityCheck]]:
        for name, inner in _named(self._top, "identity"):
            inner.refuse_unknown((*PLACE_KEYS, "is"))
            point = self._points.place(inner, texts=True)
            advice = "write the value, or a list of values, that only such a device has"
            allowed = inner.require("is", RawList(), advice)
            if point is not None and allowed is not None:
                yield name, IdentityCheck(point, allowed)

    def _status(self) -> tuple[MappedPoint, MappingProxyType[int, OperatingState]] | None:
        section = self._top.section("status")
        if section is None:
            return None
        section.refuse_unknown((*WORD_KEYS, "values"))
        point = self._points.words(section)
        words = meanings(section, "values", MOST_CODE, choice(STATES, "state"))
        found = {code: STATES[word] for code, word in words.items()}
        if section.value("values") is None:
            section.complain("values", "missing; write the state that each value means")
        return None if point is None else (point, MappingProxyType(found))

    def _local(self) -> tuple[MappedPoint, frozenset[Raw]] | None:
        section = self._top.section("local")
        if section is None:
            return None
        section.refuse_unknown((*WORD_KEYS, "is"))
        point = self._points.words(section)
        advice = "write the value, or a list of values, that means local control"
        meant = section.require("is", RawList(), advice)
        return None if point is None or meant is None else (point, frozenset(meant))

    def _alarms(self) -> Iterator[AlarmWord]:
        for inner in listed(self._top, "alarms"):
            inner.refuse_unknown((*WORD_KEYS, "bits", "values"))
            point = self._points.words(inner)
            bits = meanings(inner, "bits", MOST_BIT, TEXT)
            codes = meanings(inner, "values", MOST_CODE, TEXT)
            if not bits and not codes:
                inner.complain("bits", "missing; write bits: or values: with the fault of each")
            if point is not None:
                yield AlarmWord(point, MappingProxyType(bits), MappingProxyType(codes))

    def _heartbeat(self) -> DeviceHeartbeat | None:
        section = self._top.section("heartbeat")
        if section is None:
            return None
        section.refuse_unknown((*WORD_KEYS, "within_s"))
        point = self._points.words(section)
        kind = Number(above=0, most=LONGEST_S, unit="s")
        within_s = section.require("within_s", kind, "write the time within which it changes")
        return None if point is None or within_s is None else DeviceHeartbeat(point, within_s)


def _named(top: Section, name: str) -> Iterator[tuple[str, Section]]:
    """The mappings in the mapping at that key, with their names."""
    section = top.section(name)
    for key in () if section is None else section.place().lines:
        assert section is not None
        inner = section.section(key)
        if inner is not None:
            yield key, inner

"""Reading ``assets.yaml``, with all of its problems at once."""

import re
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from uuid import uuid4
from zoneinfo import ZoneInfo, available_timezones

from derproto.configuration.device_section import read_device
from derproto.configuration.fleet import (
    OWN_CONTROL,
    Asset,
    AssetKind,
    DeviceSpec,
    Failsafe,
    FailsafeAction,
    Fleet,
    Limits,
    Site,
    StepResponse,
)
from derproto.configuration.kinds import AGENT, TEXT, FromText, Number, member
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.yamlfile import Section, load_yaml

MAX_MW = 100_000.0
MAX_NAME = 100

FILE_KEYS = ("sites", "assets")
SITE_KEYS = ("id", "name", "timezone", "agent")
ASSET_KEYS = (
    "id",
    "name",
    "site",
    "kind",
    "rated_mw",
    "limits",
    "default_mw",
    "tolerance_pct",
    "failsafe",
    "agent",
    "energy_mwh",
    "device",
    "response",
)
LIMITS_KEYS = ("min_mw", "max_mw")
FAILSAFE_KEYS = ("after_s", "action")
RESPONSE_KEYS = ("dead_time_s", "time_constant_s", "ramp_mw_per_s")

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# What a kind can do, as shares of its rating: least and most.
_REACH = {
    AssetKind.SOLAR: (0.0, 1.0),
    AssetKind.GENERATOR: (0.0, 1.0),
    AssetKind.BATTERY: (-1.0, 1.0),
    AssetKind.LOAD: (-1.0, 0.0),
    AssetKind.EV_CHARGER: (-1.0, 0.0),
}


def _name(text: str) -> str:
    if not 0 < len(text) <= MAX_NAME or not text.isprintable() or text != text.strip():
        raise ValueError(
            f"{text[:40]!r} cannot be a name; write 1 to {MAX_NAME} printable characters, "
            "no space at either end"
        )
    if _UUID.fullmatch(text.lower()):
        raise ValueError("a UUID cannot be a name, it would pass for an id; write another name")
    return text


def _timezone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        advice = nearest(text, sorted(available_timezones()))
        raise ValueError(
            f"there is no time zone {text[:60]!r}; write an IANA name such as America/Denver; "
            f"{advice}"
        ) from None
    return text


_NAME = FromText(_name, "a name")
_TIMEZONE = FromText(_timezone, "an IANA time zone such as America/Denver")
_KIND = member(AssetKind, "kind")
_ACTION = member(FailsafeAction, "action")
_MW = Number(least=-MAX_MW, most=MAX_MW, unit="MW")
_RATED = Number(above=0, most=MAX_MW, unit="MW")
_ENERGY = Number(above=0, most=100 * MAX_MW, unit="MWh")
_TOLERANCE = Number(above=0, most=100, unit="% of rated_mw")
_AFTER = Number(least=0, most=365 * 86_400.0, unit="seconds; 0 = hold until the window ends")

_DELAY = Number(least=0, most=86_400.0, unit="seconds")
_RAMP = Number(above=0, most=MAX_MW, unit="MW/s")


class _FleetReader:
    """The parts of the file read so far, to find duplicates."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._ids: dict[str, int] = {}
        self._names: dict[tuple[str, str], int] = {}
        self._site_by_text: dict[str, str] = {}
        self.sites: dict[str, Site] = {}
        self.assets: dict[str, Asset] = {}

    def read_site(self, section: Section) -> None:
        section.refuse_unknown(SITE_KEYS)
        site = Site(
            id=self._id(section),
            name=self._unique_name(section, "site") or "",
            timezone=section.optional("timezone", _TIMEZONE),
            agent=section.optional("agent", AGENT),
        )
        self.sites[site.id] = site
        # Assets may refer to a site by its name or text even if its id is wrong.
        written = section.value("id")
        for text in (site.name, written.text if written is not None else None):
            if text:
                self._site_by_text.setdefault(text, site.id)

    def read_asset(self, section: Section) -> None:
        section.refuse_unknown(ASSET_KEYS)
        asset_id = self._id(section)
        name = self._unique_name(section, "asset")
        site_id = self._site(section)
        kind = section.require("kind", _KIND, f"write one of: {', '.join(AssetKind)}")
        rated_mw = section.require("rated_mw", _RATED, "write the asset's greatest power, in MW")
        limits = _limits(section, kind, rated_mw)
        default_mw = _default_mw(section, kind, limits)
        tolerance_pct = section.read("tolerance_pct", _TOLERANCE, 5.0)
        failsafe = _failsafe(section)
        agent = section.optional("agent", AGENT)
        energy_mwh = _energy_mwh(section, kind)
        device = _device(section)
        response = _response(section)
        # None stands for a noted problem: this asset is not used.
        if name is None or site_id is None or kind is None or rated_mw is None or limits is None:
            return
        if tolerance_pct is None or failsafe is None or device is None:
            return
        self.assets[asset_id] = Asset(
            id=asset_id,
            name=name,
            site_id=site_id,
            kind=kind,
            rated_mw=rated_mw,
            limits=limits,
            default_mw=default_mw,
            tolerance_pct=tolerance_pct,
            failsafe=failsafe,
            agent=agent,
            energy_mwh=energy_mwh,
            device=device,
            response=response,
        )

    def _id(self, section: Section) -> str:
        """The section's id; without one, a problem is noted and a new id returned."""
        value = section.value("id")
        text = (value.text or "").lower() if value is not None else ""
        if value is None:
            wrong, paste = "missing", "paste this line"
        elif not _UUID.fullmatch(text):
            shown = repr(value.text[:60]) if value.text is not None else "this"
            wrong, paste = f"{shown} is not a UUID", "paste this line instead"
        elif text in self._ids:
            wrong, paste = f"{text} is already on line {self._ids[text]}", "paste this line instead"
        else:
            self._ids[text] = value.line
            return text
        offered = self._new_id()
        section.complain("id", f"{wrong}; {paste}: id: {offered}")
        return offered

    def _unique_name(self, section: Section, what: str) -> str | None:
        name = section.require("name", _NAME, f"write a name that no other {what} has")
        value = section.value("name")
        if name is None or value is None:
            return None
        first = self._names.get((what, name))
        if first is not None:
            section.complain("name", f"{name!r} is already on line {first}; write another name")
            return None
        self._names[what, name] = value.line
        return name

    def _site(self, section: Section) -> str | None:
        text = section.require("site", TEXT, "write the id or the name of the asset's site")
        if text is None:
            return None
        found = text.lower() if text.lower() in self.sites else self._site_by_text.get(text)
        if found is None and self.sites:
            names = [site.name for site in self.sites.values() if site.name]
            section.complain("site", f"there is no site {text[:60]!r}; {nearest(text, names)}")
        return found


def _device(section: Section) -> DeviceSpec | None:
    if section.value("device") is None:
        return DeviceSpec()
    device = section.section("device")
    return None if device is None else read_device(device)


def _limits(section: Section, kind: AssetKind | None, rated_mw: float | None) -> Limits | None:
    written = section.section("limits")
    if written is None and section.value("limits") is not None:
        return None
    low: float | None = None
    high: float | None = None
    if kind is not None and rated_mw is not None:
        low, high = (share * rated_mw for share in _REACH[kind])
    if written is not None:
        written.refuse_unknown(LIMITS_KEYS)
        low = written.optional("min_mw", _MW) if written.value("min_mw") is not None else low
        high = written.optional("max_mw", _MW) if written.value("max_mw") is not None else high
        for name, mw in (("min_mw", low), ("max_mw", high)):
            if mw is not None and rated_mw is not None and abs(mw) > rated_mw:
                written.complain(
                    name,
                    f"{mw:g} is beyond rated_mw; write a number from {-rated_mw:g} to {rated_mw:g}",
                )
        if low is not None and high is not None and low > high:
            # The bound that the file names; the upper one if it names both.
            name = "max_mw" if written.value("max_mw") is not None else "min_mw"
            written.complain(
                name, f"min_mw {low:g} is above max_mw {high:g}; write limits that hold a range"
            )
            return None
    return None if low is None or high is None else Limits(low, high)


def _default_mw(section: Section, kind: AssetKind | None, limits: Limits | None) -> float | None:
    """The written value; else 0 MW, or None for kinds that control themselves."""
    default_mw = section.optional("default_mw", _MW)
    if default_mw is None and kind not in OWN_CONTROL and section.value("default_mw") is None:
        default_mw = 0.0
    if default_mw is not None and limits is not None and default_mw not in limits:
        where = "" if section.value("default_mw") is not None else ", which holds if left out,"
        section.complain(
            "default_mw",
            f"{default_mw:g}{where} is outside the limits; "
            f"write a number from {limits.min_mw:g} to {limits.max_mw:g}",
        )
    return default_mw


def _failsafe(section: Section) -> Failsafe | None:
    if section.value("failsafe") is None:
        return Failsafe()
    written = section.section("failsafe")
    if written is None:
        return None
    written.refuse_unknown(FAILSAFE_KEYS)
    after_s = written.read("after_s", _AFTER, Failsafe().after_s)
    action = written.read("action", _ACTION, Failsafe().action)
    return None if after_s is None or action is None else Failsafe(after_s, action)


def _response(section: Section) -> StepResponse | None:
    written = section.section("response")
    if written is None:
        return None
    written.refuse_unknown(RESPONSE_KEYS)
    advice = "write what deragent commission measured, in seconds"
    dead_time_s = written.require("dead_time_s", _DELAY, advice)
    time_constant_s = written.require("time_constant_s", _DELAY, advice)
    ramp_mw_per_s = written.optional("ramp_mw_per_s", _RAMP)
    if dead_time_s is None or time_constant_s is None:
        return None
    return StepResponse(dead_time_s, time_constant_s, ramp_mw_per_s)


def _energy_mwh(section: Section, kind: AssetKind | None) -> float | None:
    if kind is AssetKind.BATTERY:
        return section.require("energy_mwh", _ENERGY, "write the battery's usable energy, in MWh")
    if kind is not None and section.value("energy_mwh") is not None:
        section.complain("energy_mwh", f"only a battery has it, not kind {kind}; remove the line")
        return None
    return section.optional("energy_mwh", _ENERGY)


def load_fleet(path: Path, *, new_id: Callable[[], str] = lambda: str(uuid4())) -> Fleet:
    """The fleet that ``assets.yaml`` describes, ids in lower case, in the file's order.

    ``new_id`` makes the ids that messages offer for pasting.

    Raises: ConfigError with every problem of the file.
    """
    problems: list[Problem] = []
    top = load_yaml(path, problems)
    if top is not None:
        reader = _FleetReader(new_id)
        top.refuse_unknown(FILE_KEYS)
        advice = "add a list with at least one item, such as: - {id: …, name: North}"
        for section in top.sections("sites", advice):
            reader.read_site(section)
        advice = (
            "add a list with at least one item, such as: "
            "- {id: …, name: Roof, site: North, kind: solar, rated_mw: 5}"
        )
        for section in top.sections("assets", advice):
            reader.read_asset(section)
    if problems or top is None:
        raise ConfigError(problems)
    return Fleet(MappingProxyType(reader.sites), MappingProxyType(reader.assets))

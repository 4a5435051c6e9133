"""``deragent probe``: what the devices at an address offer, as text, JSON and an assets file."""

import math
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import trio
from rich.console import RenderableType

from deragent.devices import Address, Asset, AssetKind, Limits, Measurement, Nameplate
from deragent.drivers.sunspec.model_definitions import load_definition
from deragent.drivers.sunspec.power_control import PowerControl
from deragent.drivers.sunspec.probing import ProbedUnit, probe_unit, scan_units
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import LinkAddress, SharedLinks
from derproto.configuration.assets_text import render_fleet
from derproto.configuration.fleet import DeviceSpec, Fleet, Site
from derproto.stdio.terminal import columns

MODBUS_PORT = 502


def probe(
    where: LinkAddress,
    context: ssl.SSLContext | None,
    unit: int | None,
    take: Callable[[ProbedUnit], None],
) -> None:
    """Asks the unit, or with None every unit; ``take`` gets each as soon as it has answered.

    It only reads. Raises: DeviceError, from a unit that is named, or if nothing is reached.
    """
    trio.run(partial(_probe, where, context, unit, take))


async def _probe(
    where: LinkAddress,
    context: ssl.SSLContext | None,
    unit: int | None,
    take: Callable[[ProbedUnit], None],
) -> None:
    links = SharedLinks()
    link = links.link(where, context)
    async with links.use(link):
        if unit is not None:
            take(await probe_unit(link, SunSpecOptions(host=where.address, unit=unit)))
            return
        async for found in scan_units(link, SunSpecOptions(host=where.address)):
            take(found)


def text_of(found: ProbedUnit, where: Address) -> Iterator[RenderableType]:
    """What a unit offers, for people."""
    said = found.map.nameplate if found.map is not None else None
    name = f"{said.manufacturer} {said.model}, serial {said.serial}" if said else "no power meter"
    yield f"{name}, at {where}, unit {found.unit}"
    table = columns("MODEL", "NAME", "ADDRESS", "LENGTH", words=2)
    for model in found.models:
        definition = load_definition(model.model_id)
        label = "?" if definition is None else definition.label
        table.add_row(str(model.model_id), label, str(model.address), str(model.length))
    yield table
    if found.map is not None and found.reading is not None:
        yield f"now: {reading_text(found.reading)}"
        yield f"control: {_control(found.map.control)}"


def reading_text(reading: Measurement) -> str:
    """What a device measured, in a line."""
    values = (
        (reading.p_mw, "MW"),
        (reading.q_mvar, "Mvar"),
        (reading.voltage_v, "V"),
        (reading.frequency_hz, "Hz"),
        (None if reading.soc is None else 100 * reading.soc, "% charged"),
    )
    words = [f"{value:.6g} {unit}" for value, unit in values if value is not None]
    words.append((reading.status.name or "?").lower())
    words += [reading.fault] if reading.fault else []
    return ", ".join([*words, "under local control"] if reading.local else words)


def _control(control: PowerControl | None) -> str:
    if control is None:
        return "none"
    timer = "with a reversion timer" if control.has_timer else "without a reversion timer"
    limits = control.limits
    reach = "" if limits is None else f", {limits.min_mw:g} to {limits.max_mw:g} MW"
    return f"{control.form.value} of model {control.form.model_id}{reach}, {timer}"


def shape_of_unit(found: ProbedUnit) -> dict[str, Any]:
    """What a unit offers, as JSON."""
    control = found.map.control if found.map is not None else None
    said, reading = found.map.nameplate if found.map is not None else None, found.reading
    return {
        "unit": found.unit,
        "kind": found.kind,
        "nameplate": None if said is None else asdict(said),
        "models": [
            {"id": model.model_id, "address": model.address, "length": model.length}
            for model in found.models
        ],
        "reading": None if reading is None else shape_of_reading(reading),
        "control": None
        if control is None
        else {
            "model": control.form.model_id,
            "point": control.form.value,
            "reversion_timer": control.has_timer,
            "most_mw": control.most_mw,
        },
    }


def shape_of_reading(reading: Measurement) -> dict[str, Any]:
    """What a device measured, as JSON."""
    return {
        "p_mw": reading.p_mw,
        "q_mvar": reading.q_mvar,
        "soc": reading.soc,
        "voltage_v": reading.voltage_v,
        "frequency_hz": reading.frequency_hz,
        "status": (reading.status.name or "?").lower(),
        "fault": reading.fault,
        "local": reading.local,
    }


def _tls_options(where: LinkAddress) -> dict[str, object]:
    """A driver's options for TLS with the same files."""
    if where.tls is None:
        return {}
    files = {f"tls_{name}": path for name, path in asdict(where.tls).items()}
    return {"tls": True, **{key: str(path) for key, path in files.items() if path is not None}}


@dataclass(frozen=True, slots=True)
class FoundAsset:
    """A device that measures power, for an assets file."""

    kind: AssetKind
    nameplate: Nameplate
    unit: int
    driver: str
    options: Mapping[str, object]
    """Beside the host and the unit."""


def assets_of(units: Iterable[ProbedUnit], where: LinkAddress) -> str | None:
    """As ``assets_file``, with the units that measure power; None if there are none."""
    found = [
        FoundAsset(
            each.kind,
            each.map.nameplate,
            each.unit,
            "sunspec",
            {"serial": each.map.nameplate.serial} if each.map.nameplate.serial else {},
        )
        for each in units
        if each.map is not None
    ]
    return assets_file(found, where) if found else None


def assets_file(found: Iterable[FoundAsset], where: LinkAddress) -> str:
    """An ``assets.yaml`` with the devices. Its first line says which values are guesses."""
    site = Site(str(uuid4()), "Site")
    assets: dict[str, Asset] = {}
    guesses: set[str] = {"kind"}
    for each in found:
        said, battery = each.nameplate, each.kind is AssetKind.BATTERY
        rated_mw = said.rated_mw or 1.0
        guesses |= {"energy_mwh"} if battery else set()
        guesses |= set() if said.rated_mw else {"rated_mw"}
        place = {"host": str(where.address), "unit": each.unit, **_tls_options(where)}
        options = {**place, **each.options}
        asset = Asset(
            id=str(uuid4()),
            name=f"{said.model or 'device'} {each.unit}",
            site_id=site.id,
            kind=each.kind,
            rated_mw=rated_mw,
            limits=Limits(-rated_mw if battery else 0.0, rated_mw),
            default_mw=0.0 if battery else None,
            energy_mwh=math.ceil(rated_mw * 1000) / 1000 if battery else None,
            device=DeviceSpec(each.driver, MappingProxyType(options)),
        )
        assets[asset.id] = asset
    note = f"# Correct what is a guess: {', '.join(sorted(guesses))}.\n"
    return note + render_fleet(Fleet({site.id: site}, assets))

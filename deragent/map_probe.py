"""``deragent probe --map``: what registers hold by a map, as text, JSON and an assets file."""

import ssl
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Any

import trio
from rich.console import RenderableType

from deragent.devices import Address
from deragent.drivers.modbus.map_file import load_map
from deragent.drivers.modbus.map_names import MapSource, map_path
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.drivers.modbus.mapped_probe import MappedProbe, named_points, probe_by_map
from deragent.drivers.modbus.mapped_values import MappedPoint, Raw
from deragent.drivers.modbus.register_map import RegisterMap
from deragent.modbus_tcp import LinkAddress, SharedLinks
from deragent.probe import FoundAsset, assets_file, reading_text, shape_of_reading
from derproto.stdio.terminal import columns


def probe_map(
    where: LinkAddress, context: ssl.SSLContext | None, unit: int, source: MapSource
) -> MappedProbe:
    """Asks the unit. It only reads. Raises: ConfigError, of the map; DeviceError."""
    map = load_map(map_path(source))
    options = MappedOptions(host=where.address, unit=unit, map=source)
    return trio.run(partial(_probe, where, context, options, map))


async def _probe(
    where: LinkAddress,
    context: ssl.SSLContext | None,
    options: MappedOptions,
    map: RegisterMap,
) -> MappedProbe:
    links = SharedLinks()
    link = links.link(where, context)
    async with links.use(link):
        return await probe_by_map(link, options, map)


def text_of_map(found: MappedProbe, where: Address, unit: int) -> Iterator[RenderableType]:
    """What the registers hold, for people."""
    said = found.nameplate
    names = " ".join(filter(None, (said.manufacturer, said.model))) or "a device"
    serial = f", serial {said.serial}" if said.serial else ""
    yield f"{names}{serial}, at {where}, unit {unit}"
    table = columns("POINT", "ADDRESS", "REGISTERS", "TYPE", "RAW", "VALUE", words=1)
    for name, point in named_points(found.map):
        raw = point.raw(found.image)
        table.add_row(
            name,
            str(point.span.address),
            point.span.kind.value,
            point.type,
            "unknown" if raw is None else str(raw),
            _value(point, raw),
        )
    yield table
    yield f"now: {reading_text(found.reading)}"
    if found.strange:
        yield f"another device than the map is for: {found.strange}"


def _value(point: MappedPoint, raw: Raw | None) -> str:
    if raw is None or isinstance(raw, str):
        return ""
    return f"{raw * point.shown:.6g} {point.unit}".strip()


def shape_of_map(found: MappedProbe, unit: int) -> dict[str, Any]:
    """What the registers hold, as JSON."""
    return {
        "unit": unit,
        "kind": found.kind,
        "nameplate": asdict(found.nameplate),
        "identity": found.strange or None,
        "points": [
            {
                "point": name,
                "address": point.span.address,
                "registers": point.span.kind,
                "type": point.type,
                "raw": point.raw(found.image),
            }
            for name, point in named_points(found.map)
        ],
        "reading": shape_of_reading(found.reading),
    }


def assets_of_map(found: MappedProbe, where: LinkAddress, unit: int, source: MapSource) -> str:
    """An ``assets.yaml`` with the device."""
    options: dict[str, object] = {"map": str(source)}
    if found.nameplate.serial:
        options["serial"] = found.nameplate.serial
    device = FoundAsset(found.kind, found.nameplate, unit, "modbus", options)
    return assets_file([device], where)

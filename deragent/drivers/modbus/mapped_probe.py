"""What a device's registers hold, point by point of its map: read once, and nothing is written."""

from collections.abc import Iterator
from dataclasses import dataclass

from deragent.devices import AssetKind, Measurement, Nameplate
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.drivers.modbus.mapped_unit import MappedUnit
from deragent.drivers.modbus.mapped_values import MappedPoint
from deragent.drivers.modbus.reading_by_map import (
    measure_by_map,
    nameplate_by_map,
    strange_identity,
)
from deragent.drivers.modbus.register_map import RegisterMap
from deragent.modbus_tcp import IllegalAddressError, ModbusLink
from deragent.modbus_tcp.read_plan import RegisterImage


@dataclass(frozen=True, slots=True)
class MappedProbe:
    """What one unit said."""

    map: RegisterMap
    image: RegisterImage

    @property
    def kind(self) -> AssetKind:
        """What it seems to be: a battery if it has a state of charge, else solar."""
        return AssetKind.BATTERY if "soc" in self.map.measured else AssetKind.SOLAR

    @property
    def nameplate(self) -> Nameplate:
        return nameplate_by_map(self.map, self.image)

    @property
    def reading(self) -> Measurement:
        return measure_by_map(self.map, self.image, None, 0.0)

    @property
    def strange(self) -> str:
        """Why this is another device than the map is for, in words; empty if it is not."""
        return strange_identity(self.map, self.image)


def named_points(map: RegisterMap) -> Iterator[tuple[str, MappedPoint]]:
    """Every point of the map that can be read, by its place there."""
    plate, command = map.nameplate, map.command
    for name, point in plate.points.items():
        yield f"nameplate.{name}", point
    if isinstance(plate.rated_mw, MappedPoint):
        yield "nameplate.rated_mw", plate.rated_mw
    for name, check in map.identity.items():
        yield f"identity.{name}", check.point
    for name, point in map.measured.items():
        yield f"measures.{name}", point
    for name, given in (("status", map.status), ("local", map.local)):
        if given is not None:
            yield name, given[0]
    for number, alarm in enumerate(map.alarms):
        yield f"alarms[{number}]", alarm.point
    if map.heartbeat is not None:
        yield "heartbeat", map.heartbeat.point
    for name, point in map.shown.items():
        yield f"shows.{name}", point
    if command is not None and command.took is not None:
        yield "command.setpoint", command.took


async def probe_by_map(link: ModbusLink, options: MappedOptions, map: RegisterMap) -> MappedProbe:
    """Reads all points of the unit that the options name. Raises: ModbusError."""
    unit = MappedUnit(link.name, link, options, map)
    spans = [point.span for _, point in named_points(map)]
    try:
        image, _ = await unit.read(spans, None)
    except IllegalAddressError:
        # By now it knows which registers the device lacks.
        image, _ = await unit.read(spans, None)
    return MappedProbe(map, image)

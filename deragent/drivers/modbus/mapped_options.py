"""Options of driver ``modbus``."""

from dataclasses import dataclass
from typing import Annotated

from deragent.devices import TEXT, Option, Truth
from deragent.drivers.modbus.map_names import MAP, MapSource
from deragent.modbus_tcp import LinkOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedOptions(LinkOptions):
    """Where the device is, what its registers mean, and which one it must be."""

    map: Annotated[MapSource, Option(MAP, "map of the device's registers")]
    allow_no_reversion: Annotated[
        bool, Option(Truth(), "steer the device also if its map has no watchdog")
    ] = False
    manufacturer: Annotated[
        str | None, Option(TEXT, "what the device must say of itself", unset="any")
    ] = None
    model: Annotated[str | None, Option(TEXT, "likewise", unset="any")] = None
    serial: Annotated[str | None, Option(TEXT, "likewise", unset="any")] = None

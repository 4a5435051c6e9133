"""Options of driver ``sunspec``."""

from dataclasses import dataclass
from typing import Annotated

from deragent.devices import TEXT, Option, Truth, Whole
from deragent.modbus_tcp import LinkOptions
from deragent.modbus_tcp.read_plan import MOST_AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecOptions(LinkOptions):
    """Where the device is, and which one it must be."""

    most_registers: Annotated[
        int, Option(Whole(8, MOST_AT_ONCE), "most registers that the device gives at once")
    ] = MOST_AT_ONCE
    reversion_s: Annotated[
        int,
        Option(
            Whole(6, 3600, "s"),
            "time after which the device reverts by itself if its agent is silent",
        ),
    ] = 60
    allow_no_reversion: Annotated[
        bool, Option(Truth(), "steer the device also if it has no reversion timer")
    ] = False
    manufacturer: Annotated[
        str | None, Option(TEXT, "what the device must say of itself", unset="any")
    ] = None
    model: Annotated[str | None, Option(TEXT, "likewise", unset="any")] = None
    serial: Annotated[str | None, Option(TEXT, "likewise", unset="any")] = None

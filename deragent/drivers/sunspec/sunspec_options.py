"""Options of driver ``sunspec``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from deragent.devices import PATH, TEXT, Address, Number, Option, Truth, Whole, address
from deragent.drivers.sunspec.read_plan import MOST_AT_ONCE


@dataclass(frozen=True, slots=True, kw_only=True)
class SunSpecOptions:
    """Where the device is, and which one it must be."""

    host: Annotated[Address, Option(address(least_port=1), "address of the device or its gateway")]
    unit: Annotated[int, Option(Whole(0, 247), "Modbus unit behind that address")] = 1
    tls: Annotated[bool, Option(Truth(), "speak TLS, the device's certificate is checked")] = False
    tls_ca: Annotated[
        Path | None,
        Option(PATH, "PEM file of the authorities for it", unset="the system's"),
    ] = None
    tls_cert: Annotated[
        Path | None,
        Option(PATH, "PEM file of the agent's certificate for the device", unset="none"),
    ] = None
    tls_key: Annotated[Path | None, Option(PATH, "PEM file of its key", unset="in tls_cert")] = None
    answer_s: Annotated[
        float, Option(Number(above=0, most=60, unit="s"), "time for the answer to one request")
    ] = 2.0
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

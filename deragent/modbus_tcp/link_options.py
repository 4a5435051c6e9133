"""What every driver over Modbus asks of an asset to reach its device, and the link to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from deragent.devices import (
    PATH,
    Address,
    Asset,
    DeviceConfigError,
    Number,
    Option,
    Runtime,
    Truth,
    Whole,
    address,
)
from deragent.modbus_tcp.modbus_link import ModbusLink
from deragent.modbus_tcp.shared_links import LinkAddress, LinkTls, SharedLinks

LINKS = SharedLinks()
"""The links of this process. Devices of several drivers behind one gateway share its link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkOptions:
    """Where a device is."""

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


async def find_link(asset: Asset, options: LinkOptions, runtime: Runtime) -> ModbusLink:
    """The link of ``LINKS`` to the asset's device. Raises: DeviceConfigError."""
    files = LinkTls(options.tls_ca, options.tls_cert, options.tls_key)
    if not options.tls:
        if files != LinkTls():
            text = "tls: false, yet files of it are given; write tls: true, or remove them"
            raise DeviceConfigError(f"asset {asset.name}: device.{text}")
        return LINKS.link(LinkAddress(options.host))
    try:
        context = await runtime.run_blocking(files.context)
    except OSError as wrong:
        raise DeviceConfigError(f"asset {asset.name}: device.tls: {wrong}") from wrong
    return LINKS.link(LinkAddress(options.host, files), context)

"""Driver ``sunspec``: devices behind links that they share."""

from deragent.devices import Asset, Device, Driver, Runtime
from deragent.drivers.sunspec.sunspec_device import SunSpecDevice
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import LINKS, find_link


async def _open(asset: Asset, options: SunSpecOptions, runtime: Runtime) -> Device:
    return SunSpecDevice(asset, options, await find_link(asset, options, runtime), LINKS)


SUNSPEC = Driver(
    summary="an inverter or a battery that speaks SunSpec over Modbus TCP",
    options=SunSpecOptions,
    open=_open,
)

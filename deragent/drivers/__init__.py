"""Device drivers, a room each, and the one function that knows their names.

A driver implements ``deragent.devices.Device`` and imports no other driver.
"""

from deragent.devices import Device, DeviceConfigError
from deragent.drivers.simulation import SimulatedDevice, open_recorded, open_replay
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset

DRIVERS = ("simulated", "replay")
"""Names that ``device.driver`` may have."""


async def open_device(asset: Asset, runtime: Runtime) -> Device:
    """Opens the asset's device with the driver that its ``device`` section names.

    The same asset always gets the same noise: ``device.seed``, else the asset's id, seeds the
    driver. With ``device.record`` the device keeps a record of its own.

    Raises: DeviceConfigError.
    """
    device = await _open(asset, runtime)
    if "record" in asset.device.options:
        return await open_recorded(asset, device, runtime)
    return device


async def _open(asset: Asset, runtime: Runtime) -> Device:
    match asset.device.driver:
        case "simulated":
            return SimulatedDevice(asset, runtime)
        case "replay":
            return await open_replay(asset, runtime)
        case unknown:
            raise DeviceConfigError(
                f"asset {asset.name}: device.driver: no driver {unknown!r}; "
                f"there are: {', '.join(DRIVERS)}"
            )


__all__ = ["DRIVERS", "open_device"]

"""Device drivers, a room each, and the one function that knows their names.

A driver implements ``deragent.devices.Device`` and imports no other driver.
"""

from deragent.devices import Device, DeviceConfigError
from deragent.drivers.simulation import SimulatedDevice, open_replay
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset

DRIVERS = ("simulated", "replay")
"""Names that ``device.driver`` may have."""


async def open_device(asset: Asset, runtime: Runtime) -> Device:
    """Opens the asset's device with the driver that its ``device`` section names.

    The same asset always gets the same noise: ``device.seed``, else the asset's id, seeds the
    driver. Raises: DeviceConfigError.
    """
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

"""Devices: the port, the drivers behind it, and the one place that knows their names."""

from deragent.devices.port import Device, DeviceConfigError, DeviceError, Measurement
from deragent.devices.replay import open_replay
from deragent.devices.simulated import SimulatedDevice
from derproto.base.fleet import Asset
from derproto.base.runtime import Runtime

DRIVERS = ("simulated", "replay")
"""Names that ``device.driver`` may have."""


async def open_device(asset: Asset, runtime: Runtime) -> Device:
    """Opens the asset's device with the driver that its ``device`` section names.

    The same asset gives the same noise: drivers are seeded with ``device.seed``, else with
    the asset's id. Raises: DeviceConfigError.
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


__all__ = [
    "DRIVERS",
    "Device",
    "DeviceConfigError",
    "DeviceError",
    "Measurement",
    "open_device",
]

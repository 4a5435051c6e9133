"""The port to a device: all that the agent knows of the devices that it measures and steers.

``device`` has the port, its errors, what it measures and how it is told its default. Drivers stand
above, in ``deragent.drivers``.
"""

from deragent.devices.device import (
    Device,
    DeviceConfigError,
    DeviceError,
    Measurement,
    tell_default,
)

__all__ = ["Device", "DeviceConfigError", "DeviceError", "Measurement", "tell_default"]

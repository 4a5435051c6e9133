"""The port to a device: all that the agent knows of the devices that it measures and steers.

From the ground up: ``device`` (the port, its errors, what it measures, its default),
``driver_options`` (declared once by a driver), ``device_drivers`` (what a package offers, and how
the agent finds it), ``testing`` (a conformance suite). Drivers stand above, and need only the names
below; ``docs/devices.md`` shows how to write one.
"""

from deragent.devices.device import (
    Device,
    DeviceConfigError,
    DeviceError,
    LocalControlError,
    Measurement,
    Nameplate,
    tell_default,
)
from deragent.devices.device_drivers import (
    Driver,
    InstalledDriver,
    check_device,
    driver_names,
    find_driver,
    open_device,
)
from deragent.devices.driver_options import Option
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, AssetKind, Limits
from derproto.configuration.kinds import (
    PATH,
    TEXT,
    Address,
    Number,
    Texts,
    Truth,
    Whole,
    address,
    choice,
)
from derproto.der.v1 import Health, OperatingState

__all__ = [
    # The port.
    "Device",
    "DeviceConfigError",
    "DeviceError",
    "Health",
    "Limits",
    "LocalControlError",
    "Measurement",
    "Nameplate",
    "OperatingState",
    "tell_default",
    # A driver and its options.
    "Asset",
    "AssetKind",
    "Driver",
    "Option",
    "Runtime",
    # Kinds of options.
    "PATH",
    "TEXT",
    "Address",
    "Number",
    "Texts",
    "Truth",
    "Whole",
    "address",
    "choice",
    # For the agent.
    "InstalledDriver",
    "check_device",
    "driver_names",
    "find_driver",
    "open_device",
]

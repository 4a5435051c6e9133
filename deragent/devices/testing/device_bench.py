"""What a driver's tests bring: a device, and the equipment behind it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import MappingProxyType

from deragent.devices.device import Device
from derproto.configuration.fleet import Asset

Trouble = Callable[[], AbstractAsyncContextManager[object]]
"""Something wrong with the equipment or the way to it, for a block."""


@dataclass(frozen=True, kw_only=True)
class DeviceBench:
    """A new device of the driver, before ``run``, with equipment that is well and on its own.

    A battery must be about half full, and a sun must shine: the checks steer in both directions.
    """

    asset: Asset
    device: Device
    power_mw: Callable[[], Awaitable[float]] | None = None
    """The power at the equipment's terminals, MW, positive = generation, not measured by the
    driver; None = the checks must believe the driver."""
    setpoint_mw: Callable[[], Awaitable[float | None]] | None = None
    """What the equipment itself holds, MW; None = it follows its own control. Without it, the
    checks see only the power."""
    troubles: Mapping[str, Trouble] = field(default_factory=lambda: MappingProxyType({}))
    """Ways in which the equipment may fail, by name: away, mute, answers garbage."""
    local: Trouble | None = None
    """Someone at the site has control of the equipment, for a block."""
    settle_s: float = 1.0
    """Time within which the equipment reaches a setpoint, and shows it, seconds."""
    recovery_s: float = 5.0
    """Time within which the device answers again after a trouble, seconds."""
    patience_s: float = 5.0
    """Time after which the agent gives up a call, seconds. The agent's own is 5 s at most."""
    ramp_s: float = 0.0
    """Length of the ramps to try, seconds; 0 = the device cannot hold a ramp."""
    tolerance_mw: float = 1e-6
    """Greatest difference between a setpoint, what the equipment holds, and its power: its
    resolution and its noise."""


OpenBench = Callable[[], AbstractAsyncContextManager[DeviceBench]]
"""Makes a new bench for each check, and takes it down."""

"""The port to a device: all that the agent needs of a driver."""

from dataclasses import dataclass
from typing import Protocol

from derproto.configuration.fleet import Limits
from derproto.der.v1 import Health, OperatingState


class DeviceError(Exception):
    """The device did not answer, or refused. The next attempt may succeed."""


class DeviceConfigError(ValueError):
    """The asset's ``device`` section does not describe a device that can be opened."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One reading of a device. None is an unknown value.

    Units and signs: MW, positive = generation; Mvar, positive = injected; state of charge
    0..1; line-to-neutral V; Hz.
    """

    p_mw: float | None = None
    q_mvar: float | None = None
    soc: float | None = None
    voltage_v: float | None = None
    frequency_hz: float | None = None
    status: OperatingState = OperatingState.UNSPECIFIED
    health: Health = Health.OK


class Device(Protocol):
    """One device. Calls may overlap; a driver that cannot serve two at once serializes them."""

    @property
    def limits(self) -> Limits:
        """The setpoints that the device accepts, MW, positive = generation."""

    async def read(self) -> Measurement:
        """Reads the device now.

        Raises: DeviceError. Cancellation: safe at any time.
        """

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        """Tells the device to hold ``mw`` until further notice; returns the power that it was told.

        ``ramp_mw_per_s`` limits the rate of change; None means as fast as the device can.

        Raises: DeviceError. Cancellation: at any time; the device may have taken the setpoint.
        """

    async def release(self) -> None:
        """Returns the device to its own control.

        Raises: DeviceError. Cancellation: as for ``apply``.
        """


async def tell_default(device: Device, default_mw: float | None) -> None:
    """Returns the device to its default: a setpoint in MW, or None for its own control.

    Raises and cancellation: as for ``Device.apply``.
    """
    if default_mw is None:
        await device.release()
    else:
        await device.apply(default_mw)

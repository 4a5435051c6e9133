"""The port to a device: what the agent knows of whatever it steers."""

from dataclasses import dataclass
from typing import Protocol

from derproto.base.fleet import Limits
from derproto.der.v1 import Health, OperatingState


class DeviceError(Exception):
    """The device did not answer, or would not. It may the next time."""


class DeviceConfigError(ValueError):
    """The asset's ``device`` section does not describe a device that can be opened."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a device said of itself at one time. None is unknown.

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
    """One device. Its calls may overlap: a driver that cannot have that takes turns."""

    @property
    def limits(self) -> Limits:
        """What it may be told, MW, positive = generation."""

    async def read(self) -> Measurement:
        """Measures now.

        Raises: DeviceError. Cancellation: at any time, without harm.
        """

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        """Tells the device to hold ``mw`` until told otherwise; returns what it was told.

        ``ramp_mw_per_s`` bounds the rate of change; None is as fast as it can.

        Raises: DeviceError. Cancellation: at any time; the device may have taken it.
        """

    async def release(self) -> None:
        """Gives the device back to its own control.

        Raises: DeviceError. Cancellation: as for ``apply``.
        """

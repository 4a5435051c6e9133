"""The port to a device: all that the agent needs of a driver."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import trio

from derproto.configuration.fleet import Limits
from derproto.der.v1 import Health, OperatingState


class DeviceError(Exception):
    """The device did not answer, or refused. The next attempt may succeed."""


class LocalControlError(DeviceError):
    """The device refused because someone at the site has control of it."""


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
    """``OK``, or ``DEGRADED`` with a ``fault``. If the device is away, ``read`` raises instead."""
    fault: str = ""
    """What is wrong with a device that answers, in words; empty if nothing is."""
    local: bool = False
    """Whether someone at the site has control of the device, so that it follows no setpoint."""


@dataclass(frozen=True, slots=True)
class Nameplate:
    """What a device says of itself. Empty or None is unknown."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    version: str = ""
    """Of its firmware."""
    rated_mw: float | None = None
    """Its rated active power, MW, above 0."""


class Device(ABC):
    """One device of one asset. A driver subclasses it.

    Calls may overlap; a driver that cannot serve two at once serializes them. The agent ends each
    call that takes too long, so a driver needs a deadline only to tell why it waits.
    """

    @property
    @abstractmethod
    def limits(self) -> Limits:
        """The setpoints that the device accepts now, MW, positive = generation.

        The asset's own limits hold besides. It is read after each reading, and waits for nothing.
        """

    @property
    def reversion_s(self) -> float | None:
        """Time after which the device ends a command by itself, if ``run`` ends, seconds.

        None = it has no such timer, or it is not known yet.
        """
        return None

    @abstractmethod
    async def read(self) -> Measurement:
        """Reads the device now. A value that the device does not give is None, never invented.

        Raises: DeviceError. Cancellation: at any time; the next call works.
        """

    @abstractmethod
    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        """Tells the device to hold ``mw`` until further notice; returns the power that it took.

        ``ramp_mw_per_s`` limits the rate of change; None means as fast as the device can.

        Raises: DeviceError; LocalControlError, which ends the order at once. Cancellation: at any
        time; the device may have taken the setpoint, and the next call works.
        """

    @abstractmethod
    async def release(self) -> None:
        """Returns the device to its own control.

        Raises: DeviceError. Cancellation: as for ``apply``.
        """

    async def identify(self) -> Nameplate:
        """Reads what the device says of itself. The agent asks when the device begins to answer.

        Raises: DeviceError. Cancellation: as for ``read``.
        """
        return Nameplate()

    async def run(self) -> None:
        """The device's own task, from its opening to its closing: connections, renewals.

        The other calls come only while it runs. An exception is a bug, and ends the agent.
        Cancellation: closes the device; nothing of it may keep running or stay open.
        """
        await trio.sleep_forever()


async def tell_default(device: Device, default_mw: float | None) -> None:
    """Returns the device to its default: a setpoint in MW, or None for its own control.

    Raises and cancellation: as for ``Device.apply``.
    """
    if default_mw is None:
        await device.release()
    else:
        await device.apply(default_mw)

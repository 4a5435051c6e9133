"""Devices that keep their own record: each reading, each command, and their true power.

A reading carries its number in the last digits of the frequency. The judge therefore recognises it
in any store, and never asks the agent.
"""

import math
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from deragent.devices import Device, DeviceError, Measurement
from derproto.configuration.fleet import Asset, Limits
from derproto.der.v1 import OperatingState

NOMINAL_HZ = 60.0
STEP_HZ = 1e-9
"""What one reading adds to the frequency: too little to matter, too much to be rounded away."""

COPY_READINGS = 10_000_000
"""The number of the first reading of a copy's devices: no device of the site gets that far."""

WAVE_S = 3600.0
"""Period of a device's power while it follows its own control."""


def number_of(frequency_hz: float) -> int:
    """The number of the reading with that frequency."""
    return round((frequency_hz - NOMINAL_HZ) / STEP_HZ)


@dataclass
class Moods:
    """What is wrong with a device now; each counts, since faults may overlap."""

    silent: int = 0
    errs: int = 0
    lies: int = 0
    moves: int = 0

    @property
    def unwilling(self) -> bool:
        return bool(self.silent or self.errs)


@dataclass
class Meter:
    """One asset's device, over all lives of its agents."""

    asset: Asset
    wall_us: Callable[[], int]
    """The true time, which no daemon knows while clocks are set."""
    moods: Moods = field(default_factory=Moods)
    read_us: "array[int]" = field(default_factory=lambda: array("q"))
    """When each reading was taken, by the true clock. Readings are numbered from ``first``."""
    stamped_us: "array[int]" = field(default_factory=lambda: array("q"))
    """The same by the agent's clock."""
    power_mw: "array[float]" = field(default_factory=lambda: array("d"))
    told: list[tuple[float, float | None]] = field(default_factory=list)
    """When the device took which power, seconds and MW; None is its own control."""
    life: int = 0
    """What an earlier life of the agent still says has no effect."""
    first: int = 0
    """The number of its first reading."""

    def open(self, agent_us: Callable[[], int]) -> Device:
        """The device for the agent's next life, whose clock is ``agent_us``."""
        self.life += 1
        return _Opened(self, self.life, agent_us)

    def true_mw(self) -> float:
        """The power that flows."""
        limits, setpoint = self.asset.limits, self.told[-1][1] if self.told else None
        if setpoint is None or self.moods.lies:
            middle = (limits.min_mw + limits.max_mw) / 2
            swing = (limits.max_mw - limits.min_mw) / 4
            setpoint = middle + swing * math.sin(trio.current_time() * math.tau / WAVE_S)
        return setpoint + (0.01 * math.sin(trio.current_time()) if self.moods.moves else 0.0)

    def take_reading(self, agent_us: int) -> Measurement:
        number = self.first + len(self.read_us)
        shown = self.told[-1][1] if self.told and self.moods.lies else None
        power_mw = self.true_mw() if shown is None else shown
        self.read_us.append(self.wall_us())
        self.stamped_us.append(agent_us)
        self.power_mw.append(power_mw)
        return Measurement(
            p_mw=power_mw,
            frequency_hz=NOMINAL_HZ + number * STEP_HZ,
            status=OperatingState.RUNNING,
        )


@dataclass
class _Opened(Device):
    meter: Meter
    life: int
    agent_us: Callable[[], int]

    @property
    def limits(self) -> Limits:
        return self.meter.asset.limits

    async def read(self) -> Measurement:
        await self._answer()
        # Nothing awaits from here on: the agent gets the recorded reading, or dies with it.
        return self.meter.take_reading(self.agent_us())

    async def apply(self, mw: float, ramp_mw_per_s: float | None = None) -> float:
        await self._answer()
        self._take(mw)
        return mw

    async def release(self) -> None:
        await self._answer()
        self._take(None)

    async def _answer(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.life != self.meter.life:
            raise DeviceError("its agent is dead")
        if self.meter.moods.silent:
            await trio.sleep_forever()
        if self.meter.moods.errs:
            raise DeviceError("answers with an error")

    def _take(self, mw: float | None) -> None:
        self.meter.told.append((trio.current_time(), mw))

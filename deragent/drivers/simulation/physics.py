"""How simulated devices behave: pure functions of state, elapsed time, command and noise.

Every model is an immutable value. ``step`` returns the model ``dt_s`` later, and the reading of
a meter at its terminals then. A model draws no random numbers; its inputs hold them. Power is
MW, positive = generation.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol, Self

from derproto.der.v1 import OperatingState

DAY_S = 86_400
IDLE_MW = 1e-9
"""Below this power a device counts as idle."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """The inputs of one step."""

    dt_s: float
    """Time since the previous step, 0 or more."""
    day_s: float
    """Time since midnight UTC, 0..86400."""
    command_mw: float | None
    """The setpoint at the end of the step; None = the device's own control."""
    gauss: float = 0.0
    """A draw of the standard normal distribution."""
    uniform: float = 0.5
    """A draw of 0..1."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a meter at the terminals reads."""

    p_mw: float
    status: OperatingState
    soc: float | None = None


class Model(Protocol):
    """A simulated device, without I/O."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        """The model ``dt_s`` later, and its output then."""


def drift(value: float, dt_s: float, settle_s: float, sigma: float, gauss: float) -> float:
    """One step of an Ornstein-Uhlenbeck process: noise around 0 with spread ``sigma``.

    ``settle_s`` is the time constant of its decay. The step is exact for any ``dt_s``, so the
    measuring period does not change the noise.
    """
    kept = math.exp(-dt_s / settle_s)
    return value * kept + sigma * math.sqrt(1 - kept * kept) * gauss


def approach(from_mw: float, to_mw: float, reach_mw: float) -> float:
    """``from_mw`` moved towards ``to_mw`` by at most ``reach_mw`` (0 or more)."""
    return min(max(to_mw, from_mw - reach_mw), from_mw + reach_mw)


def running_or_standby(p_mw: float) -> OperatingState:
    """Whether power flows."""
    return OperatingState.RUNNING if abs(p_mw) > IDLE_MW else OperatingState.STANDBY


def curtailed(available_mw: float, command_mw: float | None) -> Output:
    """The output of a source that a command can only reduce, never below 0."""
    p_mw = available_mw if command_mw is None else min(available_mw, max(0.0, command_mw))
    if p_mw < available_mw - IDLE_MW:
        return Output(p_mw, OperatingState.CURTAILED)
    return Output(p_mw, running_or_standby(p_mw))


@dataclass(frozen=True, slots=True)
class Solar:
    """The bell curve of a clear day, dimmed by passing clouds. A command curtails it."""

    rated_mw: float
    noon_s: float = 19 * 3600.0
    """Solar noon, seconds since midnight UTC (19:00 UTC lies at 105 degrees west)."""
    daylight_s: float = 11 * 3600.0
    cloud: float = 0.0

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        cloud = drift(self.cloud, inputs.dt_s, 300.0, 0.15, inputs.gauss)
        from_noon_s = (inputs.day_s - self.noon_s + DAY_S / 2) % DAY_S - DAY_S / 2
        height = max(0.0, math.cos(math.pi * from_noon_s / self.daylight_s))
        if abs(from_noon_s) >= self.daylight_s / 2:
            height = 0.0
        available_mw = self.rated_mw * height**1.3 * max(0.1, 1.0 - abs(cloud))
        return replace(self, cloud=cloud), curtailed(available_mw, inputs.command_mw)


@dataclass(frozen=True, slots=True)
class Battery:
    """Follows its command while it has energy, or room for energy.

    The loss of a round trip is split evenly: each direction has the square root of
    ``efficiency``.
    """

    rated_mw: float
    energy_mwh: float
    soc: float
    efficiency: float = 0.88
    """Efficiency of a round trip, above 0, at most 1."""
    p_mw: float = 0.0

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        hours = inputs.dt_s / 3600.0
        one_way = math.sqrt(self.efficiency)
        wanted_mw = min(max(inputs.command_mw or 0.0, -self.rated_mw), self.rated_mw)
        # The previous step's power flowed until now.
        into_cells_mw = -self.p_mw * one_way if self.p_mw < 0 else -self.p_mw / one_way
        soc = min(max(self.soc + into_cells_mw * hours / self.energy_mwh, 0.0), 1.0)
        empty, full = wanted_mw > 0 and soc <= 0.0, wanted_mw < 0 and soc >= 1.0
        p_mw = 0.0 if empty or full else wanted_mw
        return replace(self, soc=soc, p_mw=p_mw), Output(p_mw, running_or_standby(p_mw), soc)


@dataclass(frozen=True, slots=True)
class Load:
    """A daily consumption curve. A command sets the consumption."""

    rated_mw: float
    peak_s: float = 1 * 3600.0
    """When consumption peaks, seconds since midnight UTC (01:00 UTC is evening at 105
    degrees west)."""
    noise: float = 0.0

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        noise = drift(self.noise, inputs.dt_s, 120.0, 0.04, inputs.gauss)
        swing = math.cos(2 * math.pi * (inputs.day_s - self.peak_s) / DAY_S)
        natural_mw = -self.rated_mw * min(1.0, max(0.05, 0.55 + 0.3 * swing + noise))
        if inputs.command_mw is None:
            return replace(self, noise=noise), Output(natural_mw, OperatingState.RUNNING)
        p_mw = min(0.0, max(-self.rated_mw, inputs.command_mw))
        shed = p_mw > natural_mw + IDLE_MW
        status = OperatingState.CURTAILED if shed else running_or_standby(p_mw)
        return replace(self, noise=noise), Output(p_mw, status)


@dataclass(frozen=True, slots=True)
class EvCharger:
    """Vehicles arrive, charge, and leave. A command slows the charging."""

    rated_mw: float
    idle_s: float = 900.0
    """Time until the next vehicle; 0 while one is plugged in."""
    need_mwh: float = 0.0
    """Energy that the plugged vehicle still needs."""
    battery_mwh: float = 1.0
    """Capacity of the plugged vehicle's battery."""
    p_mw: float = 0.0

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        after = self._charged(inputs) if self.idle_s <= 0.0 else self._waited(inputs)
        if after.idle_s > 0.0:
            return after, Output(0.0, OperatingState.STANDBY)
        wanted_mw = -self.rated_mw if inputs.command_mw is None else inputs.command_mw
        p_mw = min(0.0, max(-self.rated_mw, wanted_mw))
        slowed = p_mw > -self.rated_mw + IDLE_MW
        soc = min(1.0, max(0.0, 1.0 - after.need_mwh / after.battery_mwh))
        status = OperatingState.CURTAILED if slowed else OperatingState.RUNNING
        return replace(after, p_mw=p_mw), Output(p_mw, status, soc)

    def _charged(self, inputs: Inputs) -> Self:
        need_mwh = self.need_mwh + self.p_mw * inputs.dt_s / 3600.0
        if need_mwh > 0.0:
            return replace(self, need_mwh=need_mwh)
        # A full vehicle leaves; the next one arrives within 5 to 65 minutes.
        return replace(self, need_mwh=0.0, p_mw=0.0, idle_s=300.0 + 3600.0 * inputs.uniform)

    def _waited(self, inputs: Inputs) -> Self:
        idle_s = self.idle_s - inputs.dt_s
        if idle_s > 0.0:
            return replace(self, idle_s=idle_s)
        # An hour at full power fills its battery; it arrives 20 to 80 % empty.
        need_mwh = self.rated_mw * (0.2 + 0.6 * inputs.uniform)
        return replace(self, idle_s=0.0, need_mwh=need_mwh, battery_mwh=self.rated_mw, p_mw=0.0)


@dataclass(frozen=True, slots=True)
class Generator:
    """Follows its command as fast as the machine ramps; stops under its own control."""

    rated_mw: float
    ramp_mw_per_s: float
    p_mw: float = 0.0

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        target_mw = min(max(inputs.command_mw or 0.0, 0.0), self.rated_mw)
        p_mw = approach(self.p_mw, target_mw, self.ramp_mw_per_s * inputs.dt_s)
        starting = self.p_mw <= IDLE_MW < target_mw and p_mw <= IDLE_MW
        status = OperatingState.STARTING if starting else running_or_standby(p_mw)
        return replace(self, p_mw=p_mw), Output(p_mw, status)

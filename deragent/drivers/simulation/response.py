"""How a device answers its setpoints: late, slowly, in steps, or not at all. Pure.

The filter stands before a model, whose command is what the filter lets through. It starts each step
from the power at the terminals, so it does not run ahead of a device that cannot follow.
"""

import math
from dataclasses import dataclass, field, replace
from typing import Self

from deragent.drivers.simulation.models import approach

MOST_WAITING = 64
"""Setpoints within the dead time. When full, the newest replaces the one before it."""

ARRIVED_MW = 1e-5
"""A device this close to its setpoint, or to its own control, has arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseLaw:
    """The character of a device. The defaults are a device that follows at once.

    Terms are those of IEEE Std 1547-2018 (open loop response time, deadband) and of
    IEC 61850-90-7 (ramp). The response is of first order: its time constant is the open loop
    response time by the natural logarithm of 10.
    """

    dead_time_s: float = 0.0
    """Time in which a setpoint has no effect yet."""
    open_loop_response_s: float = 0.0
    """Time to 90 % of a change, after the dead time."""
    ramp_mw_per_s: float | None = None
    """Its fastest change; None = no limit."""
    resolution_mw: float = 0.0
    """Steps of the setpoints that it holds; it rounds towards 0."""
    deadband_mw: float = 0.0
    """A setpoint that differs by at most this from the one before has no effect."""

    def taken(self, mw: float, held_mw: float | None) -> float:
        """The setpoint that the device takes when it is told ``mw`` and holds ``held_mw``."""
        if self.resolution_mw:
            # 0.3 / 0.1 is a little less than 3.
            steps = math.trunc(mw / self.resolution_mw + math.copysign(1e-9, mw))
            mw = steps * self.resolution_mw
        unmoved = held_mw is not None and abs(mw - held_mw) <= self.deadband_mw
        return held_mw if unmoved and held_mw is not None else mw


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What a device was told."""

    mw: float | None
    """None = its own control."""
    ramp_mw_per_s: float | None = None
    """The fastest change that was asked for; None = no limit."""


OWN_CONTROL = Setpoint(None)


@dataclass(frozen=True, slots=True)
class Response:
    """A device between what it was told and what it does."""

    law: ResponseLaw = field(default_factory=ResponseLaw)
    follows: Setpoint = OWN_CONTROL
    """What it acts on now."""
    returning: bool = False
    """It is on its way back to its own control."""
    waiting: tuple[tuple[float, Setpoint], ...] = ()
    """Setpoints without effect yet, oldest first, each with the rest of its dead time, seconds."""

    @property
    def due_s(self) -> float:
        """Time until the next setpoint takes effect; infinite if none waits."""
        return self.waiting[0][0] if self.waiting else math.inf

    @property
    def held_mw(self) -> float | None:
        """The setpoint that the device has taken last; None = its own control."""
        return (self.waiting[-1][1] if self.waiting else self.follows).mw

    def arrived(self, command_mw: float | None) -> bool:
        """Whether that command for the model is no longer on its way."""
        mw = self.follows.mw
        return not self.returning and (
            mw is None or command_mw is None or abs(command_mw - mw) <= ARRIVED_MW
        )

    def told(self, mw: float | None, ramp_mw_per_s: float | None = None) -> Self:
        """The device that was told so; ``held_mw`` is what it took."""
        taken_mw = None if mw is None else self.law.taken(mw, self.held_mw)
        newest = (self.law.dead_time_s, Setpoint(taken_mw, ramp_mw_per_s))
        return replace(self, waiting=(*self.waiting[: MOST_WAITING - 1], newest))

    def step(self, dt_s: float, p_mw: float, own_mw: float) -> tuple[Self, float | None]:
        """The device ``dt_s`` later, and the command for its model; None = its own control.

        ``p_mw`` is the power at the terminals, ``own_mw`` that of the device's own control.
        """
        response, left_s = self, dt_s
        while response.waiting and response.due_s <= left_s:
            due_s, setpoint = response.waiting[0]
            response, p_mw = response._moved(due_s, p_mw, own_mw)
            left_s -= due_s
            steered = response.follows.mw is not None or response.returning
            response = replace(
                response,
                follows=setpoint,
                returning=steered and setpoint.mw is None,
                waiting=tuple((rest_s - due_s, each) for rest_s, each in response.waiting[1:]),
            )
        response, p_mw = response._moved(left_s, p_mw, own_mw)
        waiting = tuple((rest_s - left_s, each) for rest_s, each in response.waiting)
        response = replace(response, waiting=waiting)
        steered = response.follows.mw is not None or response.returning
        return response, p_mw if steered else None

    def _moved(self, dt_s: float, p_mw: float, own_mw: float) -> tuple[Self, float]:
        """Lag and ramp, without events. The rest of the dead times stays as it is."""
        if self.follows.mw is not None:
            return self, self._on_the_way(dt_s, p_mw, self.follows.mw)
        if not self.returning:
            return self, p_mw
        back_mw = self._on_the_way(dt_s, p_mw, own_mw)
        arrived = abs(back_mw - own_mw) <= ARRIVED_MW
        return replace(self, returning=not arrived), back_mw

    def _on_the_way(self, dt_s: float, from_mw: float, to_mw: float) -> float:
        """A first-order lag whose slope is limited: first a line, then an exponential curve."""
        ramps = (self.law.ramp_mw_per_s, self.follows.ramp_mw_per_s)
        ramp = min((each for each in ramps if each is not None), default=math.inf)
        constant_s = self.law.open_loop_response_s / math.log(10)
        far_mw = abs(to_mw - from_mw)
        line_s = max(0.0, far_mw - ramp * constant_s) / ramp if ramp < math.inf else 0.0
        if dt_s < line_s:
            return approach(from_mw, to_mw, ramp * dt_s)
        if constant_s == 0.0:
            return to_mw
        bend_mw = approach(from_mw, to_mw, ramp * line_s) if line_s else from_mw
        return to_mw + (bend_mw - to_mw) * math.exp(-(dt_s - line_s) / constant_s)

"""What every model of a device shares: its inputs, its output, its one method. Pure.

A model is an immutable value. ``step`` returns the model ``dt_s`` later, and what a meter at its
terminals reads then. The command holds for the whole step, and within it a model advances from
event to event. Thus one step and its parts end alike, however often a device is read.
Power is MW, positive = generation.
"""

from dataclasses import dataclass
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
    at_s: float
    """The end of the step, seconds since 1970-01-01T00:00Z."""
    command_mw: float | None
    """The setpoint during the step; None = the device's own control."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a meter at the terminals reads."""

    p_mw: float
    status: OperatingState
    own_mw: float = 0.0
    """The power that the device's own control would give."""
    soc: float | None = None


class Model(Protocol):
    """A simulated device, without I/O."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        """The model ``dt_s`` later, and its output then."""


def approach(from_mw: float, to_mw: float, reach_mw: float) -> float:
    """``from_mw`` moved towards ``to_mw`` by at most ``reach_mw`` (0 or more)."""
    return min(max(to_mw, from_mw - reach_mw), from_mw + reach_mw)


def running_or_standby(p_mw: float) -> OperatingState:
    """Whether power flows."""
    return OperatingState.RUNNING if abs(p_mw) > IDLE_MW else OperatingState.STANDBY


def curtailed(available_mw: float, command_mw: float | None) -> Output:
    """The output of a source that a command can only reduce, never below 0."""
    p_mw = available_mw if command_mw is None else min(available_mw, max(0.0, command_mw))
    reduced = p_mw < available_mw - IDLE_MW
    status = OperatingState.CURTAILED if reduced else running_or_standby(p_mw)
    return Output(p_mw, status, own_mw=available_mw)

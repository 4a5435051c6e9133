"""A generator set: it starts, ramps, runs at its minimum or above, and cools down. Pure."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Self

from deragent.drivers.simulation.models.model import (
    IDLE_MW,
    Inputs,
    Output,
    approach,
    running_or_standby,
)
from derproto.der.v1 import OperatingState


class EngineState(Enum):
    """What the machine does."""

    STOPPED = "stopped"
    STARTING = "starting"
    ON_LOAD = "on load"
    STOPPING = "stopping"
    """It cools down without load, and cannot start meanwhile."""


@dataclass(frozen=True, slots=True)
class Generator:
    """Follows its command as fast as the machine ramps; stops under its own control.

    Any command above 0 MW asks for ``minimum_mw`` at least. On its way from 0 MW and back the
    machine passes through the powers below. Ramp, minimum power, start and stop times are the
    limits of a thermal unit in A. J. Wood and B. F. Wollenberg, "Power Generation, Operation, and
    Control", 2nd ed., ch. 5, Wiley 1996.
    """

    rated_mw: float
    ramp_mw_per_s: float
    minimum_mw: float = 0.0
    start_s: float = 0.0
    """Time from the command to the first power."""
    stop_s: float = 0.0
    """Time from the last power until it can start again."""
    p_mw: float = 0.0
    state: EngineState = EngineState.STOPPED
    wait_s: float = 0.0
    """The rest of the start or the stop."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        command_mw = inputs.command_mw or 0.0
        wanted = command_mw > IDLE_MW
        target_mw = min(max(command_mw, self.minimum_mw), self.rated_mw) if wanted else 0.0
        after, left_s = self, inputs.dt_s
        while left_s > 0.0:
            before = after
            after, left_s = after._advanced(target_mw, left_s)
            if after == before:
                break
        return after, Output(after.p_mw, after._status(wanted))

    def _advanced(self, target_mw: float, left_s: float) -> tuple[Self, float]:
        """The machine at its next change of state, or at the end, and the time that is left."""
        match self.state:
            case EngineState.STOPPED if target_mw > 0.0:
                return replace(self, state=EngineState.STARTING, wait_s=self.start_s), left_s
            case EngineState.STARTING if target_mw == 0.0:
                # A start that is given up needs its cooling all the same.
                return replace(self, state=EngineState.STOPPING, wait_s=self.stop_s), left_s
            case EngineState.STARTING:
                return self._waited(EngineState.ON_LOAD, left_s)
            case EngineState.STOPPING:
                return self._waited(EngineState.STOPPED, left_s)
            case EngineState.ON_LOAD:
                p_mw = approach(self.p_mw, target_mw, self.ramp_mw_per_s * left_s)
                if p_mw > 0.0 or target_mw > 0.0:
                    return replace(self, p_mw=p_mw), 0.0
                left_s -= self.p_mw / self.ramp_mw_per_s
                stopping = replace(self, p_mw=0.0, state=EngineState.STOPPING, wait_s=self.stop_s)
                return stopping, max(0.0, left_s)
        return self, 0.0

    def _waited(self, then: EngineState, left_s: float) -> tuple[Self, float]:
        if self.wait_s > left_s:
            return replace(self, wait_s=self.wait_s - left_s), 0.0
        return replace(self, wait_s=0.0, state=then), left_s - self.wait_s

    def _status(self, wanted: bool) -> OperatingState:
        ready = self.state is not EngineState.STOPPING and self.p_mw <= IDLE_MW
        return OperatingState.STARTING if wanted and ready else running_or_standby(self.p_mw)

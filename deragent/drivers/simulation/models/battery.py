"""A battery behind its inverter: losses each way, and less power near full and empty. Pure."""

import math
from dataclasses import dataclass, replace
from typing import Self

from deragent.drivers.simulation.models.model import (
    DAY_S,
    IDLE_MW,
    Inputs,
    Output,
    running_or_standby,
)


@dataclass(frozen=True, slots=True)
class Battery:
    """Follows its command while it has energy, or room for energy.

    Energy at the terminals changes by ``charge_efficiency`` on its way in, and by
    ``discharge_efficiency`` on its way out: the energy reservoir model (D. Rosewater et al.,
    "Battery Energy Storage Models for Optimal Control", IEEE Access 7, 2019).

    Within ``taper`` of full, charging power is at most proportional to the room that is left;
    within ``taper`` of empty, discharging power is at most proportional to the energy that is left.
    That is one linear piece of the limits in H. Pandzic and V. Bobanac, "An Accurate Charging Model
    of Battery Energy Storage", IEEE Trans. Power Systems 34 (2), 2019.
    """

    rated_mw: float
    energy_mwh: float
    soc: float
    charge_efficiency: float = 1.0
    """Above 0, at most 1; so is the other."""
    discharge_efficiency: float = 1.0
    taper: float = 0.0
    """Share of its energy, 0..0.5; 0 = full power until full or empty."""
    self_discharge_per_day: float = 0.0
    """Share of the stored energy that is lost in a day, 0 or more, below 1."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        wanted_mw = min(max(inputs.command_mw or 0.0, -self.rated_mw), self.rated_mw)
        # The loss counts as if it came before the power: within a day it is too small to matter.
        soc = self.soc * (1.0 - self.self_discharge_per_day) ** (inputs.dt_s / DAY_S)
        share = abs(wanted_mw) / self.rated_mw if abs(wanted_mw) > IDLE_MW else 0.0
        hours = inputs.dt_s / 3600.0
        if wanted_mw > 0:
            full_per_h = self.rated_mw / (self.energy_mwh * self.discharge_efficiency)
            soc = left = self._left(soc, share, full_per_h, hours)
        else:
            full_per_h = self.rated_mw * self.charge_efficiency / self.energy_mwh
            left = self._left(1.0 - soc, share, full_per_h, hours)
            soc = 1.0 - left
        p_mw = math.copysign(self.rated_mw * min(share, self._most_share(left)), wanted_mw)
        after = replace(self, soc=soc)
        return after, Output(p_mw if p_mw else 0.0, running_or_standby(p_mw), soc=soc)

    def _left(self, left: float, share: float, full_per_h: float, hours: float) -> float:
        """What is left of the energy, or of the room, after ``hours`` at ``share`` of full power.

        ``left`` falls by ``full_per_h`` at full power, and exponentially where power tapers.
        """
        knee = self.taper * share
        if share == 0.0:
            return left
        if left > knee:
            until_h = (left - knee) / (full_per_h * share)
            if hours < until_h:
                return left - full_per_h * share * hours
            left, hours = knee, hours - until_h
        return left * math.exp(-full_per_h * hours / self.taper) if self.taper else 0.0

    def _most_share(self, left: float) -> float:
        """The greatest share of full power with so much energy, or room, left."""
        if self.taper:
            return left / self.taper
        return 1.0 if left > 0.0 else 0.0

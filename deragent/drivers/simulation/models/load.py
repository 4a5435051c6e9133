"""A load: consumption by hour and weekday, part of which can be steered. Pure."""

import math
from dataclasses import dataclass
from typing import Self

from deragent.drivers.simulation.models.model import (
    DAY_S,
    IDLE_MW,
    Inputs,
    Output,
    running_or_standby,
)
from deragent.drivers.simulation.models.wandering import wander
from derproto.der.v1 import OperatingState

MIDDLE, SWING, SPREAD, LEAST = 0.55, 0.3, 0.04, 0.05
"""Shares of the rating: a day's mean, its swing, the noise, and the least."""
WEEKEND = frozenset({2, 3})
"""Days after a Thursday: 1970-01-01 was one."""
EVENING_S, MORNING_S = 18 * 3600.0, 6 * 3600.0
"""The peak is in the evening, local time; a day of the week begins in the morning after."""


@dataclass(frozen=True, slots=True)
class Load:
    """A command sets the consumption, as far as it is flexible.

    A day is a mean and its first harmonic, a weekend a smaller copy: the coarsest form of a
    standard load profile, such as H0 and G0 of VDEW, "Repräsentative VDEW-Lastprofile", 1999.
    """

    rated_mw: float
    seed: str
    peak_s: float = 3600.0
    """When consumption peaks, seconds since midnight UTC (01:00 UTC is evening at 105
    degrees west)."""
    weekend_share: float = 1.0
    """Consumption of a Saturday or Sunday by that of another day, 0..1."""
    flexible_share: float = 1.0
    """The share of consumption that can be shed, and of the rest up to the rating that can be
    added, 0..1."""

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        own_mw = self.own_mw(inputs.at_s)
        if inputs.command_mw is None:
            return self, Output(own_mw, OperatingState.RUNNING, own_mw)
        least_mw = own_mw * (1.0 - self.flexible_share)
        most_mw = own_mw - (self.rated_mw + own_mw) * self.flexible_share
        p_mw = min(least_mw, max(most_mw, inputs.command_mw))
        shed = p_mw > own_mw + IDLE_MW
        status = OperatingState.CURTAILED if shed else running_or_standby(p_mw)
        return self, Output(p_mw, status, own_mw)

    def own_mw(self, at_s: float) -> float:
        """Power without a command, MW, negative."""
        swing = SWING * math.cos(math.tau * (at_s - self.peak_s) / DAY_S)
        half_s = DAY_S / 2
        east_s = (EVENING_S - self.peak_s + half_s) % DAY_S - half_s
        # Consumption is lowest then, so the weekend begins with the smallest step.
        day = math.floor((at_s + east_s - MORNING_S) / DAY_S) % 7
        share = (MIDDLE + swing) * (self.weekend_share if day in WEEKEND else 1.0)
        noise = SPREAD * wander(f"{self.seed}/demand", at_s, 120.0)
        return -self.rated_mw * min(1.0, max(LEAST, share + noise))

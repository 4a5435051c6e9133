"""Charge points that share a connection: vehicles arrive, charge, and leave. Pure.

Arrivals follow from the seed and the time alone. A pool looks back for a day to find who is there,
so one that is opened again may differ in a vehicle that found no point free. The numbers are round
ones of the order that public records show, such as Z. Lee, T. Li and S. Low, "ACN-Data: Analysis
and Applications of an Open EV Charging Dataset", ACM e-Energy 2019: most stay longer than they
charge.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Self

from deragent.drivers.simulation.models.model import DAY_S, IDLE_MW, Inputs, Output
from derproto.der.v1 import OperatingState

SLOT_S = 900.0
"""Arrivals are drawn for each quarter of an hour."""
NEED_MWH = (0.008, 0.06)
"""Energy that a vehicle wants."""
LIMIT_SHARE = (0.5, 1.0)
"""What a vehicle takes at most, by the power of its charge point."""
STAY = (1.0, 3.0)
"""How long it stays, by the time that it needs at full power."""
OCCUPIED = 0.5
"""Mean share of the charge points that have a vehicle."""
DAILY_SWING = 0.8
"""How much more than on average arrives at the peak, as a share."""
FULL_MWH = 1e-12
"""A vehicle that wants no more than this is full."""
CLOCK_S = 60.0
"""A wall clock that jumps by more than this moves the pool to another time."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One session."""

    arrives_s: float
    """Seconds since 1970-01-01T00:00Z; so is the other."""
    leaves_s: float
    limit_mw: float
    """The most that it takes, above 0."""
    need_mwh: float
    """Energy that it still wants."""


@dataclass(frozen=True, slots=True)
class EvPool:
    """A command slows all charging vehicles by the same share.

    Energy is exact: a step goes from one arrival, departure or full vehicle to the next.
    """

    rated_mw: float
    charger_mw: float
    """Power of one charge point, at most ``rated_mw``."""
    seed: str
    peak_s: float = 0.0
    """When most vehicles arrive, seconds since midnight UTC."""
    vehicles: tuple[Vehicle, ...] = ()
    at_s: float | None = None
    """The end of the last step; None = before the first, which looks back for a day."""

    @property
    def points(self) -> int:
        """Charge points; a vehicle that finds none free drives on."""
        return max(1, math.floor(self.rated_mw / self.charger_mw + 1e-9))

    def step(self, inputs: Inputs) -> tuple[Self, Output]:
        pool, from_s = self, inputs.at_s - inputs.dt_s
        if self.at_s is None or inputs.dt_s > DAY_S:
            pool = self._opened(from_s)
        elif abs(from_s - self.at_s) > CLOCK_S:
            pool = replace(self, at_s=from_s)
        pool = pool._advanced(inputs.at_s, inputs.dt_s, inputs.command_mw)
        most_mw, share = pool._power(inputs.command_mw)
        status = OperatingState.CURTAILED if share < 1.0 else OperatingState.RUNNING
        if most_mw <= IDLE_MW:
            status = OperatingState.STANDBY
        return pool, Output(0.0 - most_mw * share, status, own_mw=0.0 - most_mw)

    def _opened(self, at_s: float) -> Self:
        """The pool at that time, as if it had opened a day before and nobody had slowed it."""
        here: list[Vehicle] = []
        for arrived in self._arrivals(at_s - DAY_S, at_s):
            here = [each for each in here if each.leaves_s > arrived.arrives_s]
            if len(here) < self.points:
                here.append(arrived)
        charged = [
            _charged(each, each.limit_mw * (at_s - each.arrives_s) / 3600.0)
            for each in here
            if each.leaves_s > at_s
        ]
        return replace(self, vehicles=tuple(charged), at_s=at_s)

    def _power(self, command_mw: float | None) -> tuple[float, float]:
        """The most that the vehicles take now, MW, and the share of it that they get."""
        most_mw = sum(each.limit_mw for each in self.vehicles if each.need_mwh > 0.0)
        if command_mw is None or most_mw <= max(0.0, -command_mw):
            return most_mw, 1.0
        return most_mw, -command_mw / most_mw if -command_mw > IDLE_MW else 0.0

    def _advanced(self, at_s: float, dt_s: float, command_mw: float | None) -> Self:
        from_s = at_s - dt_s if self.at_s is None else self.at_s
        coming = [*self._arrivals(from_s, at_s)]
        pool, done_s = self, 0.0
        # Times within the step: those since 1970 are too coarse to add small ones to.
        while True:
            _most_mw, share = pool._power(command_mw)
            events = [dt_s]
            events += [coming[0].arrives_s - from_s] if coming else []
            events += [each.leaves_s - from_s for each in pool.vehicles]
            # At full power nobody gets more when another vehicle is full.
            events += [
                done_s + each.need_mwh / (each.limit_mw * share) * 3600.0
                for each in pool.vehicles
                if 0.0 < share < 1.0 and each.need_mwh > 0.0
            ]
            next_s = min(max(min(events), done_s), dt_s)
            hours, done_s = (next_s - done_s) / 3600.0, next_s
            vehicles = [
                _charged(each, each.limit_mw * share * hours)
                for each in pool.vehicles
                if each.leaves_s - from_s > done_s
            ]
            while coming and (done_s >= dt_s or coming[0].arrives_s - from_s <= done_s):
                arrived = coming.pop(0)
                if len(vehicles) < self.points:
                    vehicles.append(arrived)
            pool = replace(pool, vehicles=tuple(vehicles))
            if done_s >= dt_s:
                return replace(pool, at_s=at_s)

    def _arrivals(self, from_s: float, to_s: float) -> Iterator[Vehicle]:
        """The vehicles that arrive after ``from_s`` and until ``to_s``, in this order."""
        for slot in range(math.floor(from_s / SLOT_S), math.floor(to_s / SLOT_S) + 1):
            for vehicle in self._slot(slot):
                if from_s < vehicle.arrives_s <= to_s:
                    yield vehicle

    def _slot(self, slot: int) -> list[Vehicle]:
        """The vehicles of one slot: a Poisson process, whose rate has a daily curve."""
        rng = Random(f"{self.seed}/arrivals/{slot}")
        mean_stay_s = 3600.0 * _middle(NEED_MWH) * _middle(STAY)
        mean_stay_s /= self.charger_mw * _middle(LIMIT_SHARE)
        curve = 1.0 + DAILY_SWING * math.cos(math.tau * (slot * SLOT_S - self.peak_s) / DAY_S)
        every_s = mean_stay_s / (self.points * OCCUPIED * curve)
        found = []
        at_s = _gap_s(rng, every_s)
        while at_s < SLOT_S:
            limit_mw = self.charger_mw * _between(rng, LIMIT_SHARE)
            need_mwh = _between(rng, NEED_MWH)
            stay_s = 3600.0 * need_mwh / limit_mw * _between(rng, STAY)
            arrives_s = slot * SLOT_S + at_s
            found.append(Vehicle(arrives_s, arrives_s + stay_s, limit_mw, need_mwh))
            at_s += _gap_s(rng, every_s)
        return found


def _charged(vehicle: Vehicle, mwh: float) -> Vehicle:
    if mwh == 0.0 or vehicle.need_mwh == 0.0:
        return vehicle
    need_mwh = vehicle.need_mwh - mwh
    return replace(vehicle, need_mwh=need_mwh if need_mwh > FULL_MWH else 0.0)


def _gap_s(rng: Random, every_s: float) -> float:
    """Time to the next arrival of a Poisson process."""
    # Only random() yields the same values in every version of Python.
    return -math.log(1.0 - rng.random()) * every_s


def _between(rng: Random, range_: tuple[float, float]) -> float:
    return range_[0] + (range_[1] - range_[0]) * rng.random()


def _middle(range_: tuple[float, float]) -> float:
    return sum(range_) / 2

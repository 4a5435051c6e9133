"""Orders and looks of the acceptance test, until the power stands: pure.

A walk is a generator. It yields what to do, and is sent what came of it.
"""

import math
from collections.abc import Generator
from typing import TypeVar

from deragent.acceptance.acceptance_acts import (
    Act,
    Answer,
    Done,
    Fact,
    Identity,
    PowerReading,
    ReadPower,
    TellPower,
)
from deragent.acceptance.acceptance_levels import Ground
from deragent.acceptance.acceptance_record import (
    AcceptanceRecord,
    CheckName,
    OrderedPower,
    StepTrial,
)
from deragent.acceptance.step_measures import measure_step

F = TypeVar("F", Identity, Answer, PowerReading, Done)
T = TypeVar("T")
Walk = Generator[Act, Fact, T]

SAMPLE_S = 0.25
"""Time between two readings."""
STEADY_S = 3.0
"""Time for which a power must stand, to count as settled."""
REST_S = 30.0
"""Time for a device to come to rest under its own control."""
STEP_S = 60.0
"""Time for a device to reach an order."""
LOST_S = 10.0
"""Time without a reading after which the test ends."""
TRIES = 3
"""Times that a device is told a power before it counts as refused, as for an order."""
DEPARTED = 3
"""Readings in a row outside the band that show that the device left its order."""


class AcceptanceEndedError(Exception):
    """The test cannot go on; the text says why."""


def ask(act: Act, kind: type[F]) -> Walk[F]:
    """Yields one act, and returns its answer."""
    fact = yield act
    assert isinstance(fact, kind), f"{act} was answered with {fact}"
    return fact


class PowerWalk:
    """Tells and looks, and keeps the record."""

    def __init__(self, record: AcceptanceRecord, deadline_s: float) -> None:
        self.record = record
        self.deadline_s = deadline_s
        """When the last check must be over."""
        self.now_s = record.started_s
        self.noise_mw = 0.0
        self._answered_s = record.started_s

    def left_s(self) -> float:
        """Time left until the deadline."""
        return max(0.0, self.deadline_s - self.now_s)

    def give_time(self, deadline_s: float) -> None:
        """Begins anew to wait for readings, until another deadline."""
        self.deadline_s, self._answered_s = deadline_s, self.now_s

    def look(self) -> Walk[PowerReading]:
        """The next reading, whatever it is.

        Raises: AcceptanceEndedError, if the device is away, or someone at the site has control.
        """
        reading = yield from ask(ReadPower(), PowerReading)
        self.now_s = reading.at_s
        self.record.readings.append(reading)
        if not reading.failure and reading.p_mw is not None:
            self._answered_s = reading.at_s
        elif reading.at_s - self._answered_s >= LOST_S:
            said = reading.failure or "it gives no power"
            raise AcceptanceEndedError(f"no reading for {LOST_S:g} s: {said}")
        if reading.local:
            raise AcceptanceEndedError("someone at the site has control of the device")
        return reading

    def tell(self, mw: float | None) -> Walk[Answer]:
        """Tells the device, up to ``TRIES`` times. Raises: AcceptanceEndedError, if it refuses."""
        answer = None
        for _ in range(TRIES):
            answer = yield from ask(TellPower(mw), Answer)
            self.now_s = answer.done_s
            self.record.orders.append(OrderedPower(answer.at_s, mw))
            if not answer.failure:
                return answer
            if answer.local:
                break
            for _ in range(4):
                yield from self.look()
        assert answer is not None
        what = "its own control" if mw is None else f"{mw:g} MW"
        raise AcceptanceEndedError(f"the device refused {what}: {answer.failure}")

    def rest(self, most_s: float, band_mw: float) -> Walk[list[PowerReading]]:
        """Looks until the power stands; returns the readings of the last ``STEADY_S``.

        Empty if it does not stand within ``most_s``.
        """
        readings: list[PowerReading] = []
        until_s = self.now_s + min(most_s, self.left_s())
        while self.now_s < until_s:
            reading = yield from self.look()
            if reading.p_mw is None:
                readings.clear()
                continue
            readings.append(reading)
            last = [each for each in readings if each.at_s >= reading.at_s - STEADY_S]
            powers = [each.p_mw for each in last if each.p_mw is not None]
            spans = reading.at_s - readings[0].at_s >= STEADY_S
            if spans and max(powers) - min(powers) <= 2 * band_mw:
                return last
        return []

    def step(
        self, check: CheckName, ground: Ground, mw: float, from_mw: float, most_s: float = STEP_S
    ) -> Walk[StepTrial]:
        """Tells the device that power, and looks until it has stood there for ``STEADY_S``.

        It ends early if the power goes the wrong way, or far beyond.
        """
        answer = yield from self.tell(mw)
        return (yield from self.follow(check, ground, mw, from_mw, answer.at_s, most_s))

    def follow(
        self,
        check: CheckName,
        ground: Ground,
        mw: float,
        from_mw: float,
        order_s: float,
        most_s: float = STEP_S,
    ) -> Walk[StepTrial]:
        """Looks until the power has followed an order that was given at ``order_s``."""
        target_mw, band_mw = ground.target_mw(mw), ground.step_band_mw(mw)
        points: list[tuple[float, float]] = []
        inside_s, astray = math.inf, 0
        until_s = self.now_s + min(most_s, self.left_s())
        while self.now_s < until_s and self.now_s - inside_s < STEADY_S and astray < DEPARTED:
            reading = yield from self.look()
            if reading.p_mw is None:
                inside_s = math.inf
                continue
            points.append((reading.at_s, reading.p_mw))
            outside = abs(reading.p_mw - target_mw) > band_mw
            inside_s = math.inf if outside else min(inside_s, reading.at_s)
            goes_astray = is_astray(from_mw, target_mw, reading.p_mw, band_mw)
            astray = astray + 1 if goes_astray else 0
        settled = self.now_s - inside_s >= STEADY_S
        measures = measure_step(
            order_s,
            points,
            from_mw=from_mw,
            target_mw=target_mw,
            band_mw=band_mw,
            steady_s=STEADY_S if settled else SAMPLE_S,
            noise_mw=self.noise_mw,
        )
        trial = StepTrial(check, order_s, self.now_s, mw, target_mw, band_mw, settled, measures)
        self.record.steps.append(trial)
        return trial

    def departure(self, level_mw: float, band_mw: float, until_s: float) -> Walk[float | None]:
        """When the power left that level for good; None if it did not until ``until_s``."""
        since_s, outside = math.inf, 0
        while self.now_s < min(until_s, self.deadline_s):
            reading = yield from self.look()
            if reading.p_mw is None:
                continue
            if abs(reading.p_mw - level_mw) <= band_mw:
                since_s, outside = math.inf, 0
                continue
            since_s, outside = min(since_s, reading.at_s), outside + 1
            if outside == DEPARTED:
                return since_s
        return None


def is_astray(from_mw: float, target_mw: float, p_mw: float, band_mw: float) -> bool:
    """Whether the power went the wrong way, or as far again beyond what was ordered."""
    change_mw, went_mw = target_mw - from_mw, p_mw - from_mw
    if abs(change_mw) <= band_mw:
        return abs(p_mw - target_mw) > 3 * band_mw
    share = went_mw / change_mw
    clear = band_mw / abs(change_mw)
    return share < -max(0.5, clear) or share > 2 + clear

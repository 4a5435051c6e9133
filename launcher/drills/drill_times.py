"""Times of a plan: lengths (``30s``), shares of the drill (``10%``), and ranges of both: pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from derproto.configuration.kinds import describe

T = TypeVar("T")

_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|%)?")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONGEST_S = 7 * 86_400.0
"""The longest time of a plan, seconds: a week."""

WANTED = "a time such as 30s, 5m, 1h or 10%"
WANTED_LENGTH = "a time such as 30s, 5m or 1h"
WANTED_RANGE = f"{WANTED}, or a range such as 5s..20s"


@dataclass(frozen=True, slots=True)
class DrillTime:
    """A length in seconds, or a share of the drill's whole length."""

    amount: float
    share: bool = False

    def in_s(self, drill_s: float) -> float:
        """The time in seconds, in a drill of ``drill_s`` seconds."""
        return self.amount * drill_s if self.share else self.amount

    def __str__(self) -> str:
        return f"{100 * self.amount:g}%" if self.share else f"{self.amount:g}s"


@dataclass(frozen=True, slots=True)
class TimeSpread:
    """The shortest and the longest time that may be drawn."""

    least: DrillTime
    most: DrillTime

    def at(self, draw: float, drill_s: float) -> float:
        """The time for a uniform draw of 0..1, in seconds."""
        least_s, most_s = self.least.in_s(drill_s), self.most.in_s(drill_s)
        return least_s + draw * (most_s - least_s)


NO_TIME = TimeSpread(DrillTime(0.0), DrillTime(0.0))


def parse_time(text: str) -> DrillTime:
    """The time that a text names; a number alone is seconds.

    Raises: ValueError, saying what to write.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text[:40]!r} is not a time; write {WANTED}")
    amount, unit = float(found[1]), found[2] or "s"
    if unit == "%":
        if amount > 100:
            raise ValueError(f"{text!r} is more than the whole drill; write a share up to 100%")
        return DrillTime(amount / 100, share=True)
    if amount * _UNITS_S[unit] > LONGEST_S:
        raise ValueError(f"{text!r} is longer than a week; write a shorter time")
    return DrillTime(amount * _UNITS_S[unit])


def parse_range(text: str) -> TimeSpread:
    """The range that a text names; a time alone is a range of one.

    Raises: ValueError, saying what to write.
    """
    first, dots, last = text.partition("..")
    least = parse_time(first)
    most = parse_time(last) if dots else least
    if least.share == most.share and least.amount > most.amount:
        raise ValueError(f"{text!r} ends before it begins; write the shorter time first")
    return TimeSpread(least, most)


def parse_length(text: str) -> float:
    """A length above 0 in seconds, which is no share.

    Raises: ValueError, saying what to write.
    """
    time = parse_time(text)
    if time.share:
        raise ValueError(f"{text!r} is a share; write {WANTED_LENGTH}")
    if time.amount <= 0:
        raise ValueError(f"{text!r} is no time at all; write {WANTED_LENGTH}")
    return time.amount


@dataclass(frozen=True, slots=True)
class Spelled(Generic[T]):
    """The kind of a time: text, or a number of seconds."""

    convert: Callable[[str], T]
    wanted: str

    def read(self, raw: object) -> T:
        if isinstance(raw, bool) or not isinstance(raw, str | int | float):
            raise ValueError(f"{describe(raw)} is not a time; write {self.wanted}")
        return self.convert(str(raw))

    def parse(self, text: str) -> T:
        return self.convert(text)


TIME = Spelled(parse_time, WANTED)
RANGE = Spelled(parse_range, WANTED_RANGE)
LENGTH = Spelled(parse_length, WANTED_LENGTH)

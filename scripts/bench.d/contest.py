"""Runs rounds: all contestants take turns, so that a noisy minute affects all of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from errors import Failed, Unavailable
from measures import OURS, Findings, Measure

T = TypeVar("T")

QUICK_S = 45.0
"""Most time of ``--quick`` for one subject, builds excluded, seconds."""

ENDING_S = 5.0
"""Part of ``QUICK_S`` that is reserved for ending processes and printing."""

LEAST_S = 5.0
"""With less time left no further round begins."""

ROUNDS = 3


class Budget:
    """The time that is left for measuring."""

    def __init__(self, quick: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.quick = quick
        self._clock = clock
        self._began = clock()

    def restart(self) -> None:
        """Starts the clock anew: the time for builds does not count."""
        self._began = self._clock()

    def pick(self, quick: T, full: T) -> T:
        """The size for a quick run or for a full one."""
        return quick if self.quick else full

    def left_s(self) -> float:
        """Seconds until measuring must end; infinite for a full run."""
        if not self.quick:
            return float("inf")
        return max(0.0, QUICK_S - ENDING_S - (self._clock() - self._began))

    def timeout_s(self, seconds: float) -> float:
        """A wait of at most ``seconds`` that fits into the remaining time."""
        return min(seconds, self.left_s())

    def rounds(self, most: int = ROUNDS) -> Iterator[int]:
        """Yields rounds: always one, then more while one as long as the longest still fits."""
        longest_s = 0.0
        for number in range(most):
            if number and self.left_s() < longest_s:
                return
            began = self._clock()
            yield number
            longest_s = max(longest_s, self._clock() - began)


@dataclass
class Sheet:
    """One contestant's figures of one round."""

    figures: dict[str, float | None] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def put(self, key: str, value: float | None, *notes: str | None) -> None:
        """Notes a figure, and each remark on it that is not None."""
        self.figures[key] = value
        said = "; ".join(note for note in notes if note is not None)
        if said:
            self.notes[key] = said


@dataclass(frozen=True)
class Contestant:
    """One side of a comparison."""

    name: str
    keys: tuple[str, ...]
    """The measures that the contestant takes part in."""
    measure: Callable[[Sheet], None]
    """Runs one round. Raises: Unavailable, Failed; figures that it noted before still count."""


def compete(
    measures: Sequence[Measure],
    contestants: Sequence[Contestant],
    budget: Budget,
    *,
    main_peer: str,
    tell: Callable[[str], None],
    most_rounds: int = ROUNDS,
) -> list[Findings]:
    """Runs all rounds of all contestants; a quick run has ``main_peer`` as its only peer."""
    findings = {measure.key: Findings(measure) for measure in measures}
    taking_part = [c for c in contestants if not budget.quick or c.name in (OURS, main_peer)]
    for number in budget.rounds(most_rounds):
        for contestant in list(taking_part):
            tell(f"round {number + 1}: {contestant.name}: {', '.join(contestant.keys)}")
            sheet = Sheet()
            why = None
            try:
                if budget.left_s() < LEAST_S:
                    raise Failed("no time was left for it")
                contestant.measure(sheet)
            except Unavailable as error:
                taking_part.remove(contestant)
                why = str(error)
            except Failed as error:
                why = str(error)
            if why is not None:
                tell(f"  {why}")
            for key in contestant.keys:
                findings[key].add(contestant.name, sheet.figures.get(key))
                note = sheet.notes.get(key, None if key in sheet.figures else why)
                if note is not None:
                    findings[key].notes[contestant.name] = note
    return list(findings.values())

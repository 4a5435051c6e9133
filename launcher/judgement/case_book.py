"""The judgement on one promise, and the cases from which it comes: pure."""

from collections.abc import Callable
from dataclasses import dataclass

from launcher.drills.promise import Promise

MOST_BREACHES = 50
"""Breaches of one promise that a verdict shows. When full, further ones are only counted."""


@dataclass(frozen=True, slots=True)
class Breach:
    """One case in which a promise was broken."""

    at_us: int
    what: str
    under: str
    """The fault at that time or shortly before; empty if there was none."""


@dataclass(frozen=True, slots=True)
class PromiseJudgement:
    """How well one promise was kept."""

    promise: Promise
    cases: int
    """Cases that were judged. With none, the drill says nothing of the promise."""
    broken: int
    breaches: tuple[Breach, ...]
    """The first ``MOST_BREACHES``."""
    worst_s: float | None
    """The worst case, seconds; None for promises that are not timed, or without a case."""
    limit_s: float | None
    """What the promise allows, seconds; None if that differs from case to case, or is not timed."""
    worst_at_us: int | None
    worst_under: str

    @property
    def kept(self) -> bool | None:
        """None = no case was judged."""
        return None if self.cases == 0 else self.broken == 0


class CaseBook:
    """Collects the cases of one promise. ``under`` names the fault that an agent, or the fleet, met
    at a time; empty if there was none."""

    def __init__(
        self,
        promise: Promise,
        under: Callable[[str | None, int], str],
        limit_s: float | None = None,
    ) -> None:
        self._promise = promise
        self._under = under
        self._limit_s = limit_s
        self._cases = 0
        self._breaches: list[Breach] = []
        self._broken = 0
        self._worst: tuple[float, int, str | None] | None = None

    def kept(self, cases: int = 1) -> None:
        """Notes cases in which the promise was kept."""
        self._cases += cases

    def timed(
        self,
        took_s: float,
        at_us: int,
        what: str = "",
        *,
        agent: str | None = None,
        limit_s: float | None = None,
    ) -> None:
        """Notes a case that took so long; ``what`` describes it if that was too long."""
        limit_s = self._limit_s if limit_s is None else limit_s
        if self._worst is None or took_s > self._worst[0]:
            self._worst = took_s, at_us, agent
        if limit_s is not None and took_s > limit_s:
            self.broken(at_us, what, agent=agent)
        else:
            self._cases += 1

    def broken(
        self, at_us: int, what: str, *, agent: str | None = None, under: str | None = None
    ) -> None:
        """Notes a case in which the promise was broken; ``under`` names the fault, if known."""
        self._cases += 1
        self._broken += 1
        if len(self._breaches) < MOST_BREACHES:
            under = self._under(agent, at_us) if under is None else under
            self._breaches.append(Breach(at_us, what, under))

    def judgement(self) -> PromiseJudgement:
        """The judgement on the cases so far."""
        worst_s, worst_at_us, agent = self._worst or (None, None, None)
        return PromiseJudgement(
            promise=self._promise,
            cases=self._cases,
            broken=self._broken,
            breaches=tuple(self._breaches),
            worst_s=worst_s,
            limit_s=self._limit_s,
            worst_at_us=worst_at_us,
            worst_under="" if worst_at_us is None else self._under(agent, worst_at_us),
        )

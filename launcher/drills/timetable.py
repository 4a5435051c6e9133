"""The timetable of a drill: which faults strike whom, and when. One seed draws it: pure."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from derproto.configuration.fleet import Fleet
from derproto.configuration.problems import ConfigError, Problem, nearest
from launcher.drills.drill_plan import DrillPlan, FaultRule
from launcher.drills.fault_kinds import LINK_FAULTS, MOMENTARY, Scope, TimedFault, Victim
from launcher.fleets.agent_jobs import AgentJob

T = TypeVar("T")

MOST_FAULTS = 100_000
"""Faults of a drill. When full, the plan is refused."""

APART_S = 1.0
"""Least time between two faults of the same process, seconds."""

_HEADEND = "headend"


@dataclass(frozen=True, slots=True)
class Roster:
    """Agents and sites by the names that a plan may use."""

    fleet: Fleet
    jobs: Sequence[AgentJob]

    def struck(self, victim: Victim, rng: random.Random) -> tuple[str, ...]:
        """Ids of the agents that a fault strikes now; the name must be known."""
        match victim.scope:
            case Scope.HEADEND:
                return ()
            case Scope.ALL_AGENTS:
                return tuple(job.agent_id for job in self.jobs)
            case Scope.ANY_AGENT:
                return (_pick(self.jobs, rng).agent_id,)
            case Scope.ANY_SITE:
                return self._of_site(_pick(self._sites(), rng))
            case Scope.AGENT:
                named = (victim.name,)
                return tuple(
                    job.agent_id for job in self.jobs if {job.agent_id, job.name} & {*named}
                )
            case Scope.SITE:
                site = self.fleet.find_site(victim.name or "")
                return () if site is None else self._of_site(site.id)

    def advice(self, victim: Victim) -> str:
        """What to write in place of a name that nobody has."""
        if victim.scope is Scope.SITE:
            known = [site.name for site in self.fleet.sites.values()]
        else:
            known = [job.agent_id for job in self.jobs]
        return nearest(victim.name or "", known)

    def _sites(self) -> list[str]:
        return [site for site in self.fleet.sites if self._of_site(site)]

    def _of_site(self, site_id: str) -> tuple[str, ...]:
        return tuple(
            job.agent_id
            for job in self.jobs
            if any(self.fleet.assets[asset].site_id == site_id for asset in job.asset_ids)
        )


def draw_timetable(
    plan: DrillPlan, seed: int, drill_s: float, fleet: Fleet, jobs: Sequence[AgentJob]
) -> tuple[TimedFault, ...]:
    """The faults of a drill of ``drill_s`` seconds, in order; the same arguments give the same.

    Each rule has draws of its own: a rule that is added or removed moves no other fault, unless
    two faults of one process would meet. Then the later one waits, or is left out at the end.

    Raises: ConfigError, if a target names nobody or the faults are too many.
    """
    roster = Roster(fleet, jobs)
    _check_names(plan, roster)
    drawn: list[TimedFault] = []
    for number, rule in enumerate(plan.rules):
        rng = random.Random(f"{seed}/fault/{number}")
        for fault in _strikes(rule, drill_s, roster, rng):
            drawn.append(fault)
            if len(drawn) > MOST_FAULTS:
                text = f"more than {MOST_FAULTS} faults; write longer times at every"
                raise ConfigError([Problem(None, None, "--chaos", text)])
    # Only the time decides: rules with equal times keep the file's order.
    drawn.sort(key=lambda fault: fault.at_s)
    return tuple(_one_at_a_time(drawn, drill_s))


def _check_names(plan: DrillPlan, roster: Roster) -> None:
    unknown = [
        Problem(
            rule.place.file,
            rule.place.line,
            rule.place.key,
            f"there is no {rule.victim}; {roster.advice(rule.victim)}",
        )
        for rule in plan.rules
        if rule.place is not None
        and rule.victim.scope is not Scope.HEADEND
        and not roster.struck(rule.victim, random.Random(0))
    ]
    if unknown:
        raise ConfigError(unknown)


def _strikes(
    rule: FaultRule, drill_s: float, roster: Roster, rng: random.Random
) -> Iterator[TimedFault]:
    for at_s in _times(rule, drill_s, rng):
        agents = roster.struck(rule.victim, rng)
        for_s = 0.0 if rule.kind in MOMENTARY else rule.lasting.at(rng.random(), drill_s)
        last_s = drill_s if rule.every is None else rule.to.in_s(drill_s)
        yield TimedFault(
            at_s=at_s,
            kind=rule.kind,
            for_s=max(0.0, min(for_s, last_s - at_s)),
            victim=rule.victim,
            agents=agents,
            headend=rule.victim.scope is Scope.HEADEND,
            parameters=rule.parameters,
        )


def _times(rule: FaultRule, drill_s: float, rng: random.Random) -> Iterator[float]:
    if rule.every is None:
        assert rule.at is not None
        at_s = rule.at.in_s(drill_s)
        if at_s < drill_s:
            yield at_s
        return
    every_s = rule.every.in_s(drill_s)
    at_s = rule.from_.in_s(drill_s) + rng.random() * every_s
    while at_s < min(rule.to.in_s(drill_s), drill_s):
        yield at_s
        # Half to one and a half times the mean, so that no rhythm hides a fault of timing.
        at_s += (0.5 + rng.random()) * every_s


def _one_at_a_time(faults: Sequence[TimedFault], drill_s: float) -> Iterator[TimedFault]:
    """The faults in order, with faults of one process one after another."""
    free_s: dict[str, float] = {}
    placed: list[TimedFault] = []
    for fault in faults:
        if fault.kind in LINK_FAULTS:
            placed.append(fault)
            continue
        struck = (_HEADEND,) if fault.headend else fault.agents
        at_s = max(fault.at_s, *(free_s.get(each, 0.0) for each in struck))
        if at_s >= drill_s:
            continue
        moved = replace(fault, at_s=at_s, for_s=min(fault.for_s, drill_s - at_s))
        for each in struck:
            free_s[each] = moved.to_s + APART_S
        placed.append(moved)
    placed.sort(key=lambda fault: fault.at_s)
    return iter(placed)


def _pick(some: Sequence[T], rng: random.Random) -> T:
    # Only random() yields the same values in every version of Python.
    return some[int(rng.random() * len(some))]

"""Timetables: what a seed draws from a plan."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derproto.configuration.fleet import Fleet
from derproto.configuration.problems import ConfigError, Problem
from launcher.drills.drill_plan import DrillPlan, FaultRule, OrderRule
from launcher.drills.drill_times import DrillTime, TimeSpread
from launcher.drills.fault_kinds import FaultKind, Scope, TimedFault, Victim
from launcher.drills.plan_file import SHIPPED, find_plan, load_plan
from launcher.drills.timetable import APART_S, draw_timetable
from launcher.fleets.agent_jobs import plan_agents
from launcher.fleets.generated_fleet import generate

FLEET = generate(6)
SITES = list(FLEET.sites.values())
AGENTS = [job.agent_id for job in plan_agents(FLEET)]

HALF = DrillTime(0.5, share=True)
TEN = TimeSpread(DrillTime(10.0), DrillTime(10.0))
ANY_AGENT, HEADEND = Victim(Scope.ANY_AGENT), Victim(Scope.HEADEND)


def plan(*rules: FaultRule) -> DrillPlan:
    return DrillPlan(
        name="p",
        about="",
        duration_s=600.0,
        seed=1,
        sites=3,
        failsafe_after_s=20.0,
        orders=OrderRule(),
        headend={},
        rules=rules,
    )


def draw(
    of: DrillPlan, seed: int = 1, drill_s: float = 600.0, fleet: Fleet = FLEET
) -> tuple[TimedFault, ...]:
    return draw_timetable(of, seed, drill_s, fleet, plan_agents(fleet))


@given(st.sampled_from(SHIPPED), st.integers(0, 2**63), st.sampled_from([60.0, 3600.0]))
def test_the_same_seed_draws_the_same_timetable(name: str, seed: int, drill_s: float) -> None:
    shipped = load_plan(find_plan(name))
    drawn = draw(shipped, seed, drill_s)
    assert drawn == draw(shipped, seed, drill_s)
    assert [each.at_s for each in drawn] == sorted(each.at_s for each in drawn)
    assert all(0 <= each.at_s < drill_s and each.to_s <= drill_s + 1e-6 for each in drawn)
    assert {agent for each in drawn for agent in each.agents} <= set(AGENTS)
    assert all(each.headend != bool(each.agents) for each in drawn)


def test_another_seed_draws_another_timetable() -> None:
    rough = load_plan(find_plan("rough-day"))
    assert draw(rough, 1) != draw(rough, 2)


def test_a_share_grows_with_the_drill_and_a_length_does_not() -> None:
    once = FaultRule(FaultKind.CUT, ANY_AGENT, at=HALF, lasting=TEN)
    (short,), (long,) = draw(plan(once), drill_s=60.0), draw(plan(once), drill_s=3600.0)
    assert (short.at_s, short.for_s) == (30.0, 10.0)
    assert (long.at_s, long.for_s) == (1800.0, 10.0)


def test_faults_again_and_again_keep_within_their_times() -> None:
    rule = FaultRule(
        *(FaultKind.CUT, ANY_AGENT),
        every=DrillTime(20.0),
        lasting=TEN,
        from_=DrillTime(100.0),
        to=HALF,
    )
    drawn = draw(plan(rule))
    assert 7 <= len(drawn) <= 15
    assert all(each.at_s >= 100 and each.to_s <= 300 for each in drawn)
    assert all(10 <= b.at_s - a.at_s <= 30 for a, b in pairwise(drawn))
    assert len({each.agents for each in drawn}) > 1


def test_a_rule_that_is_added_moves_no_other_fault() -> None:
    first = FaultRule(FaultKind.CUT, ANY_AGENT, every=DrillTime(30.0), lasting=TEN)
    more = FaultRule(FaultKind.RESET, ANY_AGENT, every=DrillTime(30.0))
    both = draw(plan(first, more))
    assert tuple(each for each in both if each.kind is FaultKind.CUT) == draw(plan(first))


def test_faults_of_one_process_come_one_after_another() -> None:
    rules = [
        FaultRule(kind, HEADEND, every=DrillTime(15.0), lasting=TEN)
        for kind in (FaultKind.KILL, FaultKind.FREEZE, FaultKind.DISK_FULL)
    ]
    drawn = draw(plan(*rules))
    assert {each.kind for each in drawn} == {rule.kind for rule in rules}
    assert all(a.to_s + APART_S <= b.at_s + 1e-9 for a, b in pairwise(drawn))


def test_each_target_strikes_whom_it_names() -> None:
    def struck(victim: Victim) -> tuple[str, ...]:
        (fault,) = draw(plan(FaultRule(FaultKind.RESET, victim, at=HALF)))
        return fault.agents

    of_site = {
        site.id: {each.id for each in FLEET.assets.values() if each.site_id == site.id}
        for site in SITES
    }
    assert struck(Victim(Scope.ALL_AGENTS)) == tuple(AGENTS)
    assert len(struck(ANY_AGENT)) == 1
    assert set(struck(Victim(Scope.ANY_SITE))) in of_site.values()
    assert set(struck(Victim(Scope.SITE, SITES[0].name))) == of_site[SITES[0].id]
    assert struck(Victim(Scope.AGENT, AGENTS[2])) == (AGENTS[2],)
    assert struck(Victim(Scope.AGENT, FLEET.assets[AGENTS[2]].name)) == (AGENTS[2],)


def test_a_target_that_nobody_is_called_is_refused() -> None:
    place = Problem("p.yaml", 4, "faults[0].target", "")
    rule = FaultRule(FaultKind.RESET, Victim(Scope.SITE, "Nort"), at=HALF, place=place)
    north = replace(SITES[0], name="North")
    fleet = Fleet({**FLEET.sites, north.id: north}, FLEET.assets)
    with pytest.raises(ConfigError) as raised:
        draw(plan(rule), fleet=fleet)
    assert str(raised.value) == (
        "p.yaml:4: faults[0].target: there is no site Nort; did you mean North?"
    )


def test_faults_without_end_are_refused() -> None:
    rule = FaultRule(FaultKind.RESET, ANY_AGENT, every=DrillTime(0.001))
    with pytest.raises(ConfigError, match="more than 100000 faults"):
        draw(plan(rule))

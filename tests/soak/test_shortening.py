"""A failing plan is shortened to the acts that it takes."""

from tests.soak.plan import DAY_S, HOUR_S, Kind, Plan, draw_plan, plan_of
from tests.soak.shortening import shorten


def test_only_what_breaks_the_promise_is_left() -> None:
    plan = draw_plan(1, DAY_S, assets=20)
    culprits = (plan.acts[17], plan.acts[203])
    tried: list[int] = []

    def breaks(candidate: Plan) -> bool:
        tried.append(len(candidate.acts))
        return all(act in candidate.acts for act in culprits)

    shortest = shorten(plan, plan.acts[300].at_s, breaks, most_tries=1000)
    assert shortest.acts == culprits
    assert shortest.seconds < plan.seconds
    assert len(tried) < 100


def test_a_promise_that_a_shorter_run_keeps_leaves_the_plan_whole() -> None:
    plan = draw_plan(1, HOUR_S * 6, assets=20)
    assert shorten(plan, plan.acts[3].at_s, lambda _plan: False, most_tries=10) == plan


def test_shortening_ends_after_its_tries() -> None:
    plan = draw_plan(1, DAY_S, assets=20)
    tries = 0

    def breaks(_candidate: Plan) -> bool:
        nonlocal tries
        tries += 1
        return tries == 1

    shorten(plan, DAY_S, breaks, most_tries=7)
    assert tries == 7


def test_a_plan_outlives_its_file() -> None:
    plan = draw_plan(5, DAY_S, assets=20)
    assert plan_of(plan.to_json()) == plan


def test_a_longer_run_begins_alike() -> None:
    day, two_days = (draw_plan(5, days * DAY_S, assets=20) for days in (1, 2))
    early = [act for act in two_days.acts if act.at_s < HOUR_S * 12]
    assert early == [act for act in day.acts if act.at_s < HOUR_S * 12]
    assert {act.kind for act in draw_plan(5, 7 * DAY_S, assets=20).acts} == set(Kind)

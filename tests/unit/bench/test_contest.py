"""Rounds, time, and what becomes of contestants that fail."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.bench.parts import contest, errors, measures, workshop

SPEED = measures.Measure("speed", "speed")
OTHER = measures.Measure("other", "other")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def takes(clock: Clock, seconds: float, value: float = 1.0) -> Callable[[Any], None]:
    """A measurement that takes so long."""

    def measure(sheet: Any) -> None:
        clock.now_s += seconds
        sheet.put("speed", value)

    return measure


def compete(budget: Any, *contestants: Any, told: list[str] | None = None) -> Any:
    findings = contest.compete(
        [SPEED, OTHER],
        contestants,
        budget,
        main_peer="main",
        tell=(told if told is not None else []).append,
    )
    return findings[0]


@pytest.mark.parametrize(
    ("round_s", "rounds"), [(1.0, 3), (13.0, 3), (14.0, 2), (20.0, 2), (21.0, 1), (300.0, 1)]
)
def test_quick_rounds_fit_into_the_budget(round_s: float, rounds: int) -> None:
    clock = Clock()
    budget = contest.Budget(quick=True, clock=clock)
    speed = compete(budget, contest.Contestant("ours", ("speed",), takes(clock, round_s)))
    assert len(speed.values["ours"]) == rounds


def test_a_full_run_has_all_rounds() -> None:
    clock = Clock()
    budget = contest.Budget(quick=False, clock=clock)
    speed = compete(budget, contest.Contestant("ours", ("speed",), takes(clock, 3600)))
    assert len(speed.values["ours"]) == contest.ROUNDS
    assert budget.timeout_s(60) == 60


def test_quick_leaves_time_to_end() -> None:
    clock = Clock()
    budget = contest.Budget(quick=True, clock=clock)
    clock.now_s += 30
    assert budget.timeout_s(60) == contest.QUICK_S - contest.ENDING_S - 30
    clock.now_s += 30
    assert budget.timeout_s(60) == 0
    budget.restart()
    assert budget.timeout_s(20) == 20


def test_a_contestant_without_time_is_null_with_a_note() -> None:
    clock = Clock()
    speed = compete(
        contest.Budget(quick=True, clock=clock),
        contest.Contestant("ours", ("speed",), takes(clock, 38)),
        contest.Contestant("main", ("speed",), takes(clock, 1)),
    )
    assert speed.figure("ours") == 1.0
    assert speed.figure("main") is None
    assert speed.notes["main"] == "no time was left for it"


def test_quick_has_one_peer_and_full_has_all_in_turn() -> None:
    clock = Clock()
    contestants = [
        contest.Contestant(name, ("speed",), takes(clock, 1)) for name in ("ours", "main", "more")
    ]
    assert compete(contest.Budget(True, clock), *contestants).peers() == ["main"]
    told: list[str] = []
    full = compete(contest.Budget(False, clock), *contestants, told=told)
    assert full.peers() == ["main", "more"]
    assert [line.split(": ")[1] for line in told] == ["ours", "main", "more"] * contest.ROUNDS


def test_the_unavailable_are_asked_once_and_the_failed_again() -> None:
    asked: list[str] = []

    def missing(sheet: Any) -> None:
        asked.append("missing")
        raise errors.Unavailable("apt-get install it")

    def fails_first(sheet: Any) -> None:
        asked.append("failing")
        if asked.count("failing") == 1:
            raise errors.Failed("it died")
        sheet.put("speed", 4.0)

    speed = compete(
        contest.Budget(False, Clock()),
        contest.Contestant("missing", ("speed",), missing),
        contest.Contestant("failing", ("speed",), fails_first),
    )
    assert asked == ["missing", *["failing"] * contest.ROUNDS]
    assert speed.as_json()["peers"] == {"missing": None, "failing": 4.0}
    assert speed.notes == {"missing": "apt-get install it", "failing": "it died"}


def test_figures_from_before_a_failure_count() -> None:
    def half(sheet: Any) -> None:
        sheet.put("speed", 3.0, None, "slow", "noisy")
        raise errors.Failed("it died")

    both = contest.compete(
        [SPEED, OTHER],
        [contest.Contestant("ours", ("speed", "other"), half)],
        contest.Budget(True, Clock()),
        main_peer="main",
        tell=lambda line: None,
    )
    assert both[0].figure("ours") == 3.0
    assert both[0].notes == {"ours": "slow; noisy"}
    assert both[1].figure("ours") is None
    assert both[1].notes == {"ours": "it died"}


def test_a_program_that_is_missing_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(errors.Unavailable, match="apt-get install the-package"):
        workshop.find_program("no-such-program", "the-package")

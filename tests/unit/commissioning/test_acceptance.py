"""The acceptance test: which verdicts a good device gets, and which a bad one."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deragent.acceptance.acceptance_acts import LetAgentSteer, TellPower
from deragent.acceptance.acceptance_record import CheckName
from deragent.acceptance.acceptance_sequence import MOST_S
from deragent.devices import AssetKind, Limits, Nameplate
from derproto.configuration.fleet import Failsafe, FailsafeAction, StepResponse
from tests.support.assets import make_asset
from tests.unit.commissioning.enactment import FAILED, NONE, PASSED, Enactment
from tests.unit.commissioning.plant import Plant

BATTERY = make_asset("a", AssetKind.BATTERY, -2.0, 2.0, energy_mwh=4.0, failsafe=Failsafe(20.0))


def battery(reversion_s: float | None = 30.0, **law: Any) -> Enactment:
    return Enactment(BATTERY, Plant(reversion_s=reversion_s, **law), reversion_s=reversion_s)


def told(enactment: Enactment) -> list[float | None]:
    return [act.mw for act in enactment.acts if isinstance(act, TellPower)]


def test_a_good_battery_passes_every_check_and_is_left_at_its_default() -> None:
    enacted = battery(dead_time_s=1.0, time_constant_s=2.0)
    record = enacted.play().record
    assert [check.outcome for check in record.checks] == [PASSED] * len(CheckName)
    assert record.passed
    assert [check.name for check in record.checks] == [*CheckName]
    assert record.response is not None
    assert record.response.dead_time_s == pytest.approx(1.0, abs=0.25)
    assert record.response.time_constant_s == pytest.approx(2.0, abs=0.25)
    by_name = {check.name: check.figures for check in record.checks}
    assert by_name[CheckName.REVERSION]["reverted_after_s"] == pytest.approx(31.8, abs=0.3)
    assert by_name[CheckName.FAILSAFE]["acted_after_s"] == pytest.approx(21.8, abs=0.3)
    assert {2.0, -2.0} <= {*told(enacted)}
    assert told(enacted)[0] is None
    assert enacted.plant.told[-1][1] == 0.0
    assert enacted.plant.p_mw == pytest.approx(0.0, abs=0.1)


CASES = [
    ("rated otherwise", {"nameplate": Nameplate(rated_mw=1.0)}, CheckName.NAMEPLATE, "rated 1 MW"),
    ("narrower", {"limits": Limits(-1.0, 2.0)}, CheckName.NAMEPLATE, "accepts -1 to 2 MW"),
    ("away", {"away_from_s": 0.0}, CheckName.NAMEPLATE, "no route"),
    ("refuses", {"refuses": "busy"}, CheckName.SIGNS, "refused 0.3 MW: busy"),
    ("disappears", {"away_from_s": 114.0}, CheckName.LIMITS, "no reading for 10 s: no route"),
    ("local", {"local_from_s": 114.0}, CheckName.LIMITS, "someone at the site"),
    ("agent late", {"agent_late_s": 9.0}, CheckName.FAILSAFE, "still held"),
    ("agent early", {"agent_late_s": -3.0}, CheckName.FAILSAFE, "17.2 s after"),
]


@pytest.mark.parametrize(("changes", "name", "words"), [c[1:] for c in CASES], ids=lambda _: "")
def test_a_fault_fails_its_check_in_words(
    changes: dict[str, Any], name: CheckName, words: str
) -> None:
    enacted = battery()
    for key, value in changes.items():
        setattr(enacted, key, value)
    record = enacted.play().record
    failed = [check for check in record.checks if check.outcome is FAILED]
    assert failed[0].name is name
    assert words in failed[0].words
    assert not record.passed
    assert len(record.checks) == len(CheckName)
    assert record.checks[-1].name is CheckName.RESTORED


LAWS = [
    ({"gain": -1.0}, CheckName.SIGNS, "mind the sign"),
    ({"gain": 1000.0}, CheckName.SIGNS, "mind the unit"),
    ({"gain": 0.0}, CheckName.SIGNS, "does not follow"),
    ({"most_mw": 1.5}, CheckName.LIMITS, "not within"),
    ({"ramp_mw_per_s": 0.03}, CheckName.LIMITS, "60 s after"),
]


@pytest.mark.parametrize(("law", "name", "words"), LAWS)
def test_a_bad_law_fails_its_check_in_words(
    law: dict[str, float], name: CheckName, words: str
) -> None:
    enacted = battery(**law)
    checks = {check.name: check for check in enacted.play().record.checks}
    assert checks[name].outcome is FAILED
    assert words in checks[name].words
    if name is CheckName.SIGNS:
        # It is never sent to its limits.
        assert max(abs(mw) for mw in told(enacted) if mw is not None) <= 0.3
        assert checks[CheckName.REVERSION].outcome is checks[CheckName.FAILSAFE].outcome is NONE


@pytest.mark.parametrize(("real_s", "outcome"), [(30.0, PASSED), (None, FAILED), (45.0, FAILED)])
def test_a_reversion_that_is_late_fails(real_s: float | None, outcome: str) -> None:
    enacted = battery()
    enacted.plant.reversion_s = real_s
    assert enacted.outcomes()[CheckName.REVERSION] == outcome


def test_a_reversion_that_is_early_fails() -> None:
    enacted = battery()
    enacted.plant.reversion_s = 12.0
    checks = {check.name: check for check in enacted.play().record.checks}
    assert checks[CheckName.REVERSION].outcome is FAILED
    assert checks[CheckName.REVERSION].words.startswith("12.")


def test_what_a_device_does_not_have_is_not_applicable() -> None:
    enacted = battery(reversion_s=None)
    enacted.nameplate = Nameplate()
    outcomes = enacted.outcomes()
    assert outcomes[CheckName.NAMEPLATE] is outcomes[CheckName.REVERSION] is NONE
    assert {*outcomes.values()} == {PASSED, NONE}


def test_a_long_failsafe_is_tried_with_a_short_silence() -> None:
    asset = make_asset("a", failsafe=Failsafe(3600.0, FailsafeAction.RELEASE))
    enacted = Enactment(asset, Plant())
    checks = {check.name: check for check in enacted.play().record.checks}
    assert "tried in place of 3600" in checks[CheckName.FAILSAFE].words
    (lead,) = [act for act in enacted.acts if isinstance(act, LetAgentSteer)]
    assert lead.failsafe_after_s == 20.0


def test_a_device_that_is_slower_than_written_fails() -> None:
    asset = make_asset("a", response=StepResponse(0.5, 1.0))
    for constant_s, outcome in ((1.0, PASSED), (6.0, FAILED)):
        enacted = Enactment(asset, Plant(dead_time_s=0.5, time_constant_s=constant_s))
        assert enacted.outcomes()[CheckName.RESPONSE] is outcome


OTHER_KINDS = [
    (AssetKind.SOLAR, 0.0, 2.0, 1.6, (-math.inf, 1.6), PASSED),
    (AssetKind.SOLAR, 0.0, 2.0, 0.05, (-math.inf, 0.05), NONE),
    (AssetKind.EV_CHARGER, -2.0, 0.0, -1.0, (-1.0, 0.0), PASSED),
    (AssetKind.EV_CHARGER, -2.0, 0.0, 0.0, (0.0, 0.0), NONE),
    (AssetKind.GENERATOR, 0.0, 2.0, 0.0, (-math.inf, math.inf), PASSED),
    (AssetKind.LOAD, -2.0, 0.0, -0.8, (-math.inf, math.inf), PASSED),
]


@pytest.mark.parametrize(("kind", "low", "high", "own_mw", "cap", "outcome"), OTHER_KINDS)
def test_other_kinds_are_tried_as_far_as_they_can_go(
    kind: AssetKind,
    low: float,
    high: float,
    own_mw: float,
    cap: tuple[float, float],
    outcome: str,
) -> None:
    default_mw = 0.0 if kind is AssetKind.GENERATOR else None
    asset = make_asset("a", kind, low, high, default_mw=default_mw, failsafe=Failsafe(20.0))
    enacted = Enactment(asset, Plant(own_mw, time_constant_s=1.0, cap=cap), soc=None)
    record = enacted.play().record
    outcomes = {check.name: check.outcome for check in record.checks}
    assert record.result == ("passed" if outcome is PASSED else "incomplete")
    for name in (CheckName.SIGNS, CheckName.LIMITS, CheckName.FAILSAFE):
        assert outcomes[name] is outcome
    assert all(low <= mw <= high for mw in told(enacted) if mw is not None)


@pytest.mark.parametrize(("soc", "way"), [(0.99, 1.0), (0.01, -1.0)])
def test_a_full_battery_is_not_charged_nor_an_empty_one_discharged(soc: float, way: float) -> None:
    enacted = battery()
    enacted.soc = soc
    assert FAILED not in enacted.outcomes().values()
    powers = [mw for mw in told(enacted) if mw is not None]
    assert all(way * mw >= 0 for mw in powers)
    assert any(way * mw > 0 for mw in powers)


@settings(deadline=None, max_examples=25)
@given(
    st.builds(
        Plant,
        dead_time_s=st.floats(0, 20),
        time_constant_s=st.floats(0, 60),
        ramp_mw_per_s=st.floats(0.01, 10),
        gain=st.sampled_from([1.0, -1.0, 0.5, 1000.0]),
        most_mw=st.floats(0.1, 3),
        reversion_s=st.none() | st.floats(6, 400),
    ),
    st.none() | st.floats(6, 3600),
    st.floats(0, 3600),
    st.floats(100, 800),
    st.floats(0, 60),
)
def test_it_always_ends_in_time_within_limits_and_tries_to_restore(
    plant: Plant, timer_s: float | None, after_s: float, away_s: float, for_s: float
) -> None:
    asset = make_asset("a", failsafe=Failsafe(after_s))
    enacted = Enactment(asset, plant, reversion_s=timer_s)
    enacted.away_from_s, enacted.away_until_s = away_s, away_s + for_s
    record = enacted.play().record
    assert [check.name for check in record.checks] == [*CheckName]
    assert enacted.now_s - record.started_s <= MOST_S
    assert all(mw in asset.limits for mw in told(enacted) if mw is not None)
    assert not told(enacted) or told(enacted)[-1] == asset.default_mw

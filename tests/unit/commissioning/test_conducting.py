"""The acceptance test on a device: it ends with the device at its default, however it ends."""

import math
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from deragent.acceptance.acceptance_record import AcceptanceRecord, CheckName, CheckOutcome
from deragent.acceptance.acceptance_sequence import MOST_S
from deragent.commissioning import conducting
from deragent.commissioning.conducting import conduct
from derproto.base.runtime import virtual_runtime
from derproto.configuration.fleet import Failsafe
from tests.support.assets import make_asset
from tests.support.epoch import T0
from tests.support.interference import after_steps
from tests.unit.commissioning.plant import Plant
from tests.unit.commissioning.plant_device import PlantSite

ASSET = make_asset("a", energy_mwh=4.0, failsafe=Failsafe(20.0))
TIMER_S = 30.0


def site_of(**law: Any) -> PlantSite:
    return PlantSite(ASSET, Plant(**{"reversion_s": TIMER_S} | law), TIMER_S)


async def record_of(site: PlantSite) -> AcceptanceRecord:
    record, reason = await conduct(ASSET, virtual_runtime(T0), open_device=site.open)
    assert reason == ""
    assert site.running == 0
    return record


async def test_the_agents_own_failsafe_and_the_devices_own_timer_are_timed(
    autojump_clock: MockClock,
) -> None:
    site = site_of(dead_time_s=0.5, time_constant_s=1.0)
    record = await record_of(site)
    assert record.passed, record.checks
    figures = {check.name: check.figures for check in record.checks}
    assert figures[CheckName.REVERSION]["reverted_after_s"] == pytest.approx(31.0, abs=0.5)
    assert figures[CheckName.FAILSAFE]["acted_after_s"] == pytest.approx(21.0, abs=0.5)
    # The device was opened once more, since its task had ended for the reversion.
    assert site.opened == 2
    assert site.held_mw() == 0.0
    assert trio.current_time() < MOST_S


FAULTS = [
    ({"gain": -1.0}, {}, CheckName.SIGNS, "mind the sign"),
    ({"ramp_mw_per_s": 0.03}, {}, CheckName.LIMITS, "not within"),
    ({}, {"refuses": True}, CheckName.SIGNS, "refused 0.3 MW: busy"),
    ({"reversion_s": 60.0}, {}, CheckName.REVERSION, "still held"),
    ({}, {"away_s": 14.0}, CheckName.LIMITS, "no reading for 10 s: connection refused"),
    ({}, {"mute_s": 14.0}, CheckName.LIMITS, "did not answer in time"),
    ({}, {"away_s": 0.0}, CheckName.NAMEPLATE, "connection refused"),
    ({}, {"local_s": 16.0}, CheckName.LIMITS, "someone at the site"),
]


@pytest.mark.parametrize(("law", "wrong", "name", "words"), FAULTS)
async def test_a_faulty_device_fails_in_words(
    autojump_clock: MockClock,
    law: dict[str, float],
    wrong: dict[str, Any],
    name: CheckName,
    words: str,
) -> None:
    site = site_of(**law)
    for key, value in wrong.items():
        setattr(site, key, value)
    record = await record_of(site)
    check = next(each for each in record.checks if each.outcome is CheckOutcome.FAILED)
    assert check.name is name
    assert words in check.words
    restored = record.checks[-1]
    assert restored.name is CheckName.RESTORED
    reached = min(site.away_s, site.mute_s, site.local_s) == math.inf and not site.refuses
    assert not reached or site.held_mw() == 0.0
    assert trio.current_time() <= MOST_S


async def test_a_device_that_is_lost_is_told_to_whoever_must_act(autojump_clock: MockClock) -> None:
    site = site_of()
    site.away_s = 20.0
    record = await record_of(site)
    assert "reverts by itself after 30 s" in record.checks[-1].words


async def test_a_device_that_answers_slowly_gets_no_more_than_ten_minutes(
    autojump_clock: MockClock,
) -> None:
    site = site_of(ramp_mw_per_s=0.01)
    site.answer_s = 4.9
    record = await record_of(site)
    assert [check.name for check in record.checks] == [*CheckName]
    assert not record.passed
    assert site.held_mw() == 0.0
    assert trio.current_time() <= MOST_S


async def test_a_test_that_the_device_cut_off_has_failed(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conducting, "MOST_S", 20.0)
    record = await record_of(site_of())
    outcomes = {check.name: check.outcome for check in record.checks}
    assert outcomes[CheckName.NAMEPLATE] is CheckOutcome.PASSED
    assert outcomes[CheckName.LIMITS] is CheckOutcome.FAILED
    assert outcomes[CheckName.FAILSAFE] is CheckOutcome.NOT_APPLICABLE
    assert outcomes[CheckName.RESTORED] is CheckOutcome.FAILED


@pytest.mark.parametrize("after_s", [0.0, 2.0, 5.1, 9.0, 13.3, 20.0, 52.0, 55.0, 62.0, 70.0])
async def test_an_end_from_outside_leaves_the_device_at_its_default(
    autojump_clock: MockClock, after_s: float
) -> None:
    site = site_of()

    async def wait_end() -> str:
        await trio.sleep(after_s)
        return "a key was pressed"

    record, reason = await conduct(
        ASSET, virtual_runtime(T0), wait_end=wait_end, open_device=site.open
    )
    assert reason == "a key was pressed"
    assert [check.name for check in record.checks] == [*CheckName]
    assert record.checks[-1].outcome is CheckOutcome.PASSED
    assert not site.plant.told or site.held_mw() == 0.0
    assert site.running == 0


async def test_a_cancellation_at_any_await_leaves_the_device_at_its_default(
    autojump_clock: MockClock,
) -> None:
    at_step, acted = 1, True
    while acted:
        site = site_of()
        with trio.CancelScope() as scope, after_steps(at_step, scope.cancel) as counter:
            await conduct(ASSET, virtual_runtime(T0), open_device=site.open)
        assert not site.plant.told or site.held_mw() == 0.0
        assert site.running == 0
        # Every await of the start, where most differ, and then some of each check.
        at_step, acted = at_step + (1 if at_step < 40 else 13), counter.acted
    assert at_step > 700

"""The checks of how an order ends: by reversion, by failsafe, by return to the default. Pure."""

from deragent.acceptance.acceptance_acts import (
    CutLink,
    Done,
    EndAgent,
    LetAgentSteer,
    WithholdRenewals,
)
from deragent.acceptance.acceptance_levels import far_level
from deragent.acceptance.acceptance_record import (
    CheckName,
    CheckOutcome,
    CheckResult,
    OrderedPower,
    StepTrial,
    check_result,
)
from deragent.acceptance.acceptance_walk import SAMPLE_S, AcceptanceEndedError, Walk, ask
from deragent.acceptance.equipment_under_test import RESTORE_S, SMALL_STEP_S, EquipmentUnderTest
from deragent.timelines import failsafe as failsafe_timing

TIMER_SHARE, TIMER_S = 0.1, 2.0
"""How far a reversion may be from its timer: this share, and these seconds."""
FAILSAFE_S = 2.0
"""How late the agent may act after ``failsafe.after_s``, besides the device's response."""
SHORT_FAILSAFE_S = 20.0
"""Silence with which the failsafe is tried if that of the asset is too long for the test."""

_PASSED, _FAILED, _NONE = CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.NOT_APPLICABLE
_C = CheckName


def check_reversion(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    ground, reversion_s = eut.ground, eut.reversion_s
    if reversion_s is None:
        words = "the driver knows of no reversion timer: the device keeps its last order"
        return check_result(_C.REVERSION, _NONE, words)
    level_mw = far_level(ground, ground.own_mw)
    unfit = eut.unfit(level_mw)
    most_s = reversion_s * (1 + TIMER_SHARE) + TIMER_S + eut.lag_s()
    if not unfit and eut.walk.left_s() < most_s + SMALL_STEP_S:
        unfit = f"not tried: reversion_s of {reversion_s:g} is too long for the test"
    if unfit or level_mw is None:
        return check_result(_C.REVERSION, _NONE, unfit)
    trial = yield from eut.walk.step(_C.REVERSION, ground, level_mw, eut.last_mw(), SMALL_STEP_S)
    if not trial.settled:
        return check_result(_C.REVERSION, _FAILED, _not_reached(trial, eut.last_mw()))
    # The timer begins anew: this was the last renewal.
    told = yield from eut.walk.tell(level_mw)
    yield from ask(WithholdRenewals(), Done)
    left_s = yield from eut.walk.departure(trial.target_mw, trial.band_mw, told.done_s + most_s)
    figures: dict[str, float | str | None] = {"reversion_s": reversion_s}
    if left_s is None:
        words = (
            f"{eut.walk.now_s - told.done_s:.1f} s after the last renewal "
            f"the device still held {level_mw:g} MW; its timer is {reversion_s:g} s"
        )
        return check_result(_C.REVERSION, _FAILED, words, figures)
    after_s = left_s - told.done_s
    figures["reverted_after_s"] = after_s
    words = f"{after_s:.1f} s after the last renewal, with a timer of {reversion_s:g} s"
    early = after_s < reversion_s * (1 - TIMER_SHARE) - TIMER_S
    eut.walk.record.orders.append(OrderedPower(left_s, None))
    return check_result(_C.REVERSION, _FAILED if early else _PASSED, words, figures)


def check_failsafe(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    ground, failsafe = eut.ground, eut.asset.failsafe
    if failsafe.after_s == 0:
        words = "failsafe.after_s is 0: the agent holds an order until its window ends"
        return check_result(_C.FAILSAFE, _NONE, words)
    retreat_mw = failsafe_timing.retreat_mw(failsafe, eut.asset.default_mw)
    back_mw = ground.own_mw if retreat_mw is None else ground.target_mw(retreat_mw)
    level_mw = far_level(ground, back_mw)
    unfit = eut.unfit(level_mw)
    after_s, rest_s = failsafe.after_s, SMALL_STEP_S + FAILSAFE_S + eut.lag_s()
    if eut.walk.left_s() < after_s + rest_s:
        after_s = SHORT_FAILSAFE_S
    if not unfit and eut.walk.left_s() < after_s + rest_s:
        unfit = "not tried: no time is left for it"
    if unfit or level_mw is None:
        return check_result(_C.FAILSAFE, _NONE, unfit)
    try:
        result = yield from _try_failsafe(eut, level_mw, after_s)
    except AcceptanceEndedError:
        # Otherwise two would steer the device.
        yield from ask(EndAgent(), Done)
        raise
    yield from ask(EndAgent(), Done)
    return result


def _try_failsafe(eut: EquipmentUnderTest, level_mw: float, after_s: float) -> Walk[CheckResult]:
    ground, failsafe = eut.ground, eut.asset.failsafe
    from_mw = eut.last_mw()
    begun = yield from ask(LetAgentSteer(level_mw, after_s), Done)
    eut.walk.record.orders.append(OrderedPower(begun.at_s, level_mw))
    trial = yield from eut.walk.follow(
        _C.FAILSAFE, ground, level_mw, from_mw, begun.at_s, SMALL_STEP_S
    )
    if not trial.settled:
        return check_result(_C.FAILSAFE, _FAILED, _not_reached(trial, eut.last_mw()))
    cut = yield from ask(CutLink(), Done)
    until_s = cut.at_s + after_s + FAILSAFE_S + eut.lag_s()
    left_s = yield from eut.walk.departure(trial.target_mw, trial.band_mw, until_s)
    figures: dict[str, float | str | None] = {"after_s": after_s}
    if left_s is None:
        words = (
            f"{eut.walk.now_s - cut.at_s:.1f} s after the link was cut "
            f"the device still held {level_mw:g} MW"
        )
        return check_result(_C.FAILSAFE, _FAILED, words, figures)
    passed_s = left_s - cut.at_s
    retreat_mw = failsafe_timing.retreat_mw(failsafe, eut.asset.default_mw)
    eut.walk.record.orders.append(OrderedPower(left_s, retreat_mw))
    figures["acted_after_s"] = passed_s
    words = f"{passed_s:.1f} s after the link was cut, with after_s of {after_s:g}"
    if after_s != failsafe.after_s:
        words += f" (tried in place of {failsafe.after_s:g})"
    early = passed_s < after_s - SAMPLE_S
    return check_result(_C.FAILSAFE, _FAILED if early else _PASSED, words, figures)


def check_restored(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    ground, default_mw = eut.ground, eut.asset.default_mw
    if not eut.walk.record.orders:
        return check_result(_C.RESTORED, _PASSED, "it was told nothing")
    yield from eut.walk.tell(default_mw)
    if default_mw is None:
        yield from eut.walk.look()
        return check_result(_C.RESTORED, _PASSED, "it has its own control again")
    target_mw = ground.target_mw(default_mw)
    until_s = eut.walk.now_s + RESTORE_S / 2
    while eut.walk.now_s < until_s:
        reading = yield from eut.walk.look()
        if reading.p_mw is not None and abs(reading.p_mw - target_mw) <= ground.band_mw:
            words = f"it was told its default, {default_mw:g} MW, and has {reading.p_mw:.4g} MW"
            return check_result(_C.RESTORED, _PASSED, words)
    words = f"it took its default, {default_mw:g} MW, and its power is {eut.last_mw():.4g} MW"
    return check_result(_C.RESTORED, _FAILED, words)


def _not_reached(trial: StepTrial, p_mw: float) -> str:
    return (
        f"told {trial.mw:g} MW, the power was {p_mw:.4g} MW "
        f"after {trial.end_s - trial.order_s:.0f} s"
    )

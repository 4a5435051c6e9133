"""The checks that identify, measure and steer the device: pure."""

import math

from deragent.acceptance.acceptance_acts import AskIdentity, Identity
from deragent.acceptance.acceptance_levels import Ground, limit_levels, sign_levels
from deragent.acceptance.acceptance_record import (
    CheckName,
    CheckOutcome,
    CheckResult,
    StepTrial,
    check_result,
)
from deragent.acceptance.acceptance_walk import (
    REST_S,
    AcceptanceEndedError,
    Walk,
    ask,
    is_astray,
)
from deragent.acceptance.equipment_under_test import SMALL_STEP_S, EquipmentUnderTest
from deragent.acceptance.step_measures import slowest
from deragent.devices import Limits
from deragent.tasks.device_notes import RATING_TOLERANCE
from derproto.configuration.fleet import StepResponse

SLOWER = 1.25
"""How much slower than ``response`` a device may be."""

_PASSED, _FAILED, _NONE = CheckOutcome.PASSED, CheckOutcome.FAILED, CheckOutcome.NOT_APPLICABLE
_C = CheckName


def check_nameplate(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    asset, wrong = eut.asset, []
    said = yield from ask(AskIdentity(), Identity)
    eut.walk.now_s = said.at_s
    if said.failure:
        raise AcceptanceEndedError(said.failure)
    eut.walk.record.nameplate, eut.reversion_s = said.nameplate, said.reversion_s
    ours, its = asset.limits, said.limits
    eut.limits = Limits(max(ours.min_mw, its.min_mw), min(ours.max_mw, its.max_mw))
    rated_mw = said.nameplate.rated_mw
    if rated_mw is not None and abs(rated_mw - asset.rated_mw) > (
        RATING_TOLERANCE * asset.rated_mw
    ):
        wrong.append(f"it is rated {rated_mw:g} MW, and rated_mw is {asset.rated_mw:g}")
    if eut.limits != ours:
        wrong.append(
            f"it accepts {its.min_mw:g} to {its.max_mw:g} MW, "
            f"and limits are {ours.min_mw:g} to {ours.max_mw:g}"
        )
    if eut.limits.min_mw > eut.limits.max_mw:
        raise AcceptanceEndedError("; ".join(wrong))
    figures: dict[str, float | str | None] = {
        "device_rated_mw": rated_mw,
        "rated_mw": asset.rated_mw,
        "device_min_mw": its.min_mw,
        "device_max_mw": its.max_mw,
    }
    if wrong:
        return check_result(_C.NAMEPLATE, _FAILED, "; ".join(wrong), figures)
    plate = said.nameplate
    if rated_mw is None:
        words = "the device does not say its rating; its limits are those of assets.yaml"
        return check_result(_C.NAMEPLATE, _NONE, words, figures)
    name = " ".join(word for word in (plate.manufacturer, plate.model) if word)
    serial = f", serial {plate.serial}" if plate.serial else ""
    words = f"{name or 'device'}{serial}: {rated_mw:g} MW, as in assets.yaml"
    return check_result(_C.NAMEPLATE, _PASSED, words, figures)


def check_measurement(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    """Finds the power that the device has by itself."""
    band_mw = eut.ground.band_mw
    yield from eut.walk.tell(None)
    last = yield from eut.walk.rest(REST_S, band_mw)
    powers = [each.p_mw for each in last if each.p_mw is not None]
    if not powers:
        return _unsteady(eut)
    own_mw = math.fsum(powers) / len(powers)
    noise_mw = math.sqrt(math.fsum((mw - own_mw) ** 2 for mw in powers) / len(powers))
    eut.walk.noise_mw = noise_mw
    eut.ground = Ground(eut.asset, eut.limits, own_mw, last[-1].soc)
    figures: dict[str, float | str | None] = {
        "own_mw": own_mw,
        "noise_mw": noise_mw,
        "soc": last[-1].soc,
    }
    fault = last[-1].fault
    if fault:
        return check_result(_C.MEASUREMENT, _FAILED, f"the device has a fault: {fault}", figures)
    words = f"{own_mw:.4g} MW under its own control"
    return check_result(_C.MEASUREMENT, _PASSED, words, figures)


def _unsteady(eut: EquipmentUnderTest) -> CheckResult:
    raise AcceptanceEndedError(
        f"under its own control its power did not stand within {2 * eut.ground.band_mw:g} "
        f"MW; repeat the test when it does"
    )


def check_signs(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    ground = eut.ground
    levels = sign_levels(ground)
    if not levels:
        words = (
            f"no room for a step of {ground.small_mw:g} MW: "
            f"the power can be {ground.reach.min_mw:.4g} to {ground.reach.max_mw:.4g} MW now"
        )
        return check_result(_C.SIGNS, _NONE, words)
    from_mw, told = ground.own_mw, []
    if abs(levels[0] - from_mw) <= ground.band_mw:
        levels = levels[1:]
    for mw in levels:
        trial = yield from eut.walk.step(_C.SIGNS, ground, mw, from_mw, SMALL_STEP_S)
        wrong = _wrong_way(trial, from_mw, eut.last_mw())
        if wrong:
            return check_result(_C.SIGNS, _FAILED, wrong)
        told.append(f"{mw:g} MW gave {eut.last_mw():.4g}")
        from_mw = eut.last_mw()
    eut.is_sound = True
    return check_result(_C.SIGNS, _PASSED, ", ".join(told))


def check_limit_steps(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    ground = eut.ground
    levels = limit_levels(ground)
    if not eut.is_sound:
        return check_result(_C.LIMITS, _NONE, "not tried: the signs are not known to be right")
    told, wrong = [], []
    for mw in levels:
        from_mw = eut.last_mw()
        trial = yield from eut.walk.step(_C.LIMITS, ground, mw, from_mw)
        p_mw = eut.last_mw()
        if trial.settled:
            told.append(f"{mw:g} MW gave {p_mw:.4g}")
        else:
            taken_s = trial.end_s - trial.order_s
            wrong.append(
                f"{taken_s:.0f} s after {mw:g} MW the power was {p_mw:.4g} MW, "
                f"not within {trial.band_mw:.3g} of {trial.target_mw:.4g}"
            )
    outcome = _FAILED if wrong else _PASSED
    return check_result(_C.LIMITS, outcome, "; ".join(wrong or told))


def check_response(eut: EquipmentUnderTest) -> Walk[CheckResult]:
    """From the steps so far: nothing is ordered."""
    yield from ()
    steps = eut.measured_steps()
    eut.walk.record.response = found = slowest(steps)
    if found is None:
        words = "no step to a limit settled, so there is nothing to measure"
        return check_result(_C.RESPONSE, _NONE, words)
    figures: dict[str, float | str | None] = {
        "dead_time_s": found.dead_time_s,
        "time_constant_s": found.time_constant_s,
        "ramp_mw_per_s": found.ramp_mw_per_s,
        "to_63_s": max(each.to_63_s for each in steps),
        "to_90_s": max(each.to_90_s for each in steps),
        "settling_s": max(each.settling_s for each in steps),
        "overshoot_mw": max(each.overshoot_mw for each in steps),
        "resolution_s": max(each.resolution_s for each in steps),
    }
    words = (
        f"dead time {found.dead_time_s:.2f} s, 63 % after {figures['to_63_s']:.2f} s, "
        f"90 % after {figures['to_90_s']:.2f} s, within {eut.ground.band_mw:.3g} MW "
        f"after {figures['settling_s']:.2f} s"
    )
    if found.ramp_mw_per_s is not None:
        words += f", {found.ramp_mw_per_s:.3g} MW/s"
    written = eut.asset.response
    slack_s = 2 * max(each.resolution_s for each in steps)
    if written is not None and _is_slower(found, written, slack_s):
        return check_result(
            _C.RESPONSE, _FAILED, f"{words}: slower than response in assets.yaml", figures
        )
    return check_result(_C.RESPONSE, _PASSED, words, figures)


def _wrong_way(trial: StepTrial, from_mw: float, p_mw: float) -> str:
    """What is wrong with the direction of a step; empty if nothing is."""
    step = f"told {trial.mw:g} MW, the power went from {from_mw:.4g} to {p_mw:.4g} MW"
    change_mw = trial.target_mw - from_mw
    if is_astray(from_mw, trial.target_mw, p_mw, trial.band_mw):
        went_back = (p_mw - from_mw) * change_mw < 0
        return f"{step}: {'mind the sign' if went_back else 'far too much, mind the unit'}"
    if not trial.settled and abs(p_mw - from_mw) <= trial.band_mw < abs(change_mw):
        return f"{step}: it does not follow"
    return ""


def _is_slower(found: StepResponse, written: StepResponse, slack_s: float) -> bool:
    found_s = found.dead_time_s + found.time_constant_s
    written_s = written.dead_time_s + written.time_constant_s
    ramps = found.ramp_mw_per_s, written.ramp_mw_per_s
    slower_ramp = None not in ramps and (ramps[0] or 0.0) * SLOWER < (ramps[1] or 0.0)
    return found_s > SLOWER * written_s + slack_s or slower_ramp

"""A step response in figures: pure.

Terms: the dead time and the step response time are those of IEC 60050-351 (IEV 351-45), the latter
to 63 % and to 90 % of the change. IEEE 1547-2018 calls the time to 90 % the open loop response
time. Settling ends when the power stays within a band around what was ordered. All times count
from the order.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from derproto.configuration.fleet import StepResponse

TIME_CONSTANT_SHARE = 1 - math.exp(-1)
"""Share of the change that a first-order law reaches after its time constant."""
BEGUN_SHARE = 0.05
"""Share of the change by which the power has begun to change, unless its noise is greater."""
_BEGUN_MOST = 0.3
_NOISES = 3.0
"""Standard deviations of noise that are no change."""


@dataclass(frozen=True, slots=True)
class StepMeasures:
    """The response to one order. Times are seconds from the order."""

    from_mw: float
    to_mw: float
    """What the power became: the mean at the end."""
    dead_time_s: float
    time_constant_s: float
    """From the end of the dead time."""
    to_63_s: float
    to_90_s: float
    settling_s: float
    overshoot_mw: float
    """The farthest beyond ``to_mw``, without sign."""
    ramp_mw_per_s: float | None
    """Between 10 % and 90 % of the change, without sign; None = faster than the readings show."""
    resolution_s: float
    """The greatest distance of two readings."""


def measure_step(
    order_s: float,
    points: Sequence[tuple[float, float]],
    *,
    from_mw: float,
    target_mw: float,
    band_mw: float,
    steady_s: float,
    noise_mw: float = 0.0,
) -> StepMeasures | None:
    """The response to an order at ``order_s``; None if the power did not change visibly.

    ``points`` are times and powers, in order, after the order. ``steady_s`` is how long the power
    stood at the end. ``noise_mw`` is the standard deviation of a power that stands.
    """
    if len(points) < 2:
        return None
    last_s = points[-1][0]
    final = [mw for at_s, mw in points if at_s >= last_s - steady_s]
    to_mw = math.fsum(final) / len(final)
    change_mw = to_mw - from_mw
    if abs(change_mw) <= max(_NOISES * noise_mw, 1e-9):
        return None
    shares = [(0.0, 0.0)]
    shares += [(at_s - order_s, (mw - from_mw) / change_mw) for at_s, mw in points]
    begun = min(max(BEGUN_SHARE, _NOISES * noise_mw / abs(change_mw)), _BEGUN_MOST)
    begun_s, to_63_s = _reached(shares, begun), _reached(shares, TIME_CONSTANT_SHARE)
    to_10_s, to_90_s = _reached(shares, 0.1), _reached(shares, 0.9)
    resolution_s = max(b[0] - a[0] for a, b in pairwise(shares))
    # Two points of a first-order law give its dead time and its time constant.
    lead = -math.log(1 - begun)
    time_constant_s = max(0.0, (to_63_s - begun_s) / (1 - lead))
    dead_time_s = max(0.0, to_63_s - time_constant_s)
    rise_s = to_90_s - to_10_s
    beyond = max((share - 1) * abs(change_mw) for _, share in shares)
    return StepMeasures(
        from_mw=from_mw,
        to_mw=to_mw,
        dead_time_s=dead_time_s,
        time_constant_s=to_63_s - dead_time_s,
        to_63_s=to_63_s,
        to_90_s=to_90_s,
        settling_s=_settled(points, target_mw, band_mw) - order_s,
        overshoot_mw=max(0.0, beyond),
        ramp_mw_per_s=0.8 * abs(change_mw) / rise_s if rise_s > resolution_s else None,
        resolution_s=resolution_s,
    )


def _reached(shares: Sequence[tuple[float, float]], level: float) -> float:
    """When the response first reaches that share, between two readings as on a straight line."""
    before_s, before = shares[0]
    for at_s, share in shares[1:]:
        if share >= level:
            return before_s + (level - before) / (share - before) * (at_s - before_s)
        before_s, before = at_s, share
    return before_s


def _settled(points: Sequence[tuple[float, float]], target_mw: float, band_mw: float) -> float:
    """The first time after which the power stays within the band."""
    since_s = points[-1][0]
    for at_s, mw in reversed(points):
        if abs(mw - target_mw) > band_mw:
            break
        since_s = at_s
    return since_s


def slowest(steps: Sequence[StepMeasures]) -> StepResponse | None:
    """The response that all of these steps keep: the longest times, the slowest ramp."""
    if not steps:
        return None
    ramps = [step.ramp_mw_per_s for step in steps if step.ramp_mw_per_s is not None]
    return StepResponse(
        dead_time_s=max(step.dead_time_s for step in steps),
        time_constant_s=max(step.time_constant_s for step in steps),
        ramp_mw_per_s=min(ramps, default=None),
    )

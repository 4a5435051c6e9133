"""What all checks share of the equipment under test: pure."""

from deragent.acceptance.acceptance_levels import Ground
from deragent.acceptance.acceptance_record import CheckName
from deragent.acceptance.acceptance_walk import SAMPLE_S, STEP_S, PowerWalk
from deragent.acceptance.step_measures import StepMeasures
from deragent.devices import Asset

SMALL_STEP_S = 30.0
"""Time for a small step."""
RESTORE_S = 30.0
"""Time at the end of the test to return the device to its default."""


class EquipmentUnderTest:
    """The asset, its device as far as it is known, and the way to steer and read it."""

    def __init__(self, asset: Asset, walk: PowerWalk) -> None:
        self.asset = asset
        self.walk = walk
        self.limits = asset.limits
        """Of the asset and of its device together."""
        self.reversion_s: float | None = None
        self.ground = Ground(asset, asset.limits, 0.0)
        self.is_sound = False
        """Whether the power goes the way that it is told."""

    def measured_steps(self) -> list[StepMeasures]:
        return [
            trial.measures
            for trial in self.walk.record.steps
            if trial.check is CheckName.LIMITS and trial.settled and trial.measures is not None
        ]

    def lag_s(self) -> float:
        """Time within which the device's power shows a change of its setpoint."""
        to_90_s = [each.to_90_s for each in self.measured_steps()]
        return max(to_90_s, default=STEP_S) + 4 * SAMPLE_S

    def unfit(self, level_mw: float | None) -> str:
        """Why that order cannot show a return; empty if it can."""
        if not self.is_sound:
            return "not tried: the signs are not known to be right"
        return "no order is clearly apart from where the device returns" if level_mw is None else ""

    def last_mw(self) -> float:
        """The newest power."""
        powers = (
            each.p_mw for each in reversed(self.walk.record.readings) if each.p_mw is not None
        )
        return next(powers, 0.0)

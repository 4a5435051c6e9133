"""A setpoint as a simulated device holds it, on its way at a ramp rate: pure."""

from dataclasses import dataclass

from deragent.drivers.simulation.models import approach


@dataclass(frozen=True, slots=True)
class Ramp:
    """The way of a device to a target: the target, its time, and the greatest rate of change."""

    target_mw: float
    since_s: float
    """When the device was told the target, monotonic seconds."""
    start_mw: float = 0.0
    """Power at that time; needed only with a ramp rate."""
    ramp_mw_per_s: float | None = None

    def at(self, now_s: float) -> float:
        """The power asked for at ``now_s``, MW."""
        if self.ramp_mw_per_s is None:
            return self.target_mw
        reach_mw = self.ramp_mw_per_s * max(0.0, now_s - self.since_s)
        return approach(self.start_mw, self.target_mw, reach_mw)

"""A setpoint as a simulated device holds it: pure arithmetic of target and ramp."""

from dataclasses import dataclass

from deragent.devices.physics import approach


@dataclass(frozen=True, slots=True)
class Command:
    """What a device was told, when, and how fast it may get there."""

    target_mw: float
    since_s: float
    """Monotonic time at which it was told, seconds."""
    start_mw: float = 0.0
    """Power at that time; only a ramp needs it."""
    ramp_mw_per_s: float | None = None

    def at(self, now_s: float) -> float:
        """The power that the command asks for at ``now_s``, MW."""
        if self.ramp_mw_per_s is None:
            return self.target_mw
        reach_mw = self.ramp_mw_per_s * max(0.0, now_s - self.since_s)
        return approach(self.start_mw, self.target_mw, reach_mw)

"""A device with a dead time, a time constant and a ramp, whose faults a test chooses: pure."""

import math
from dataclasses import dataclass, field

STEP_S = 0.02


@dataclass
class Plant:
    """Its power by time. Times are seconds, from any zero."""

    own_mw: float = 0.0
    dead_time_s: float = 0.0
    time_constant_s: float = 0.0
    ramp_mw_per_s: float = math.inf
    gain: float = 1.0
    """-1 for a wrong sign, 1000 for a wrong unit."""
    most_mw: float = math.inf
    cap: tuple[float, float] = (-math.inf, math.inf)
    """What sun or vehicles allow."""
    reversion_s: float | None = None
    """Its real timer; None = it keeps its last order."""
    told: list[tuple[float, float | None]] = field(default_factory=list)
    p_mw: float = field(init=False)
    _at_s: float = 0.0
    _reverts_s: float = math.inf

    def __post_init__(self) -> None:
        self.p_mw = self.own_mw

    def tell(self, mw: float | None, at_s: float) -> None:
        self.power(at_s)
        self.told.append((at_s, mw))
        self.renew(at_s)
        if mw is None:
            self._reverts_s = math.inf

    def renew(self, at_s: float) -> None:
        self._reverts_s = math.inf if self.reversion_s is None else at_s + self.reversion_s

    def power(self, at_s: float) -> float:
        """Its power at that time, MW."""
        while self._at_s < at_s:
            step_s = min(STEP_S, at_s - self._at_s)
            self._at_s += step_s
            if self._at_s >= self._reverts_s:
                self.told.append((self._at_s, None))
                self._reverts_s = math.inf
            error_mw = self._aim_mw() - self.p_mw
            share = 1.0 if not self.time_constant_s else -math.expm1(-step_s / self.time_constant_s)
            most_mw = self.ramp_mw_per_s * step_s
            self.p_mw += min(max(share * error_mw, -most_mw), most_mw)
        return self.p_mw

    def _aim_mw(self) -> float:
        then_s = self._at_s - self.dead_time_s
        mw = next((mw for at_s, mw in reversed(self.told) if at_s <= then_s), None)
        if mw is None:
            return self.own_mw
        wanted_mw = min(max(self.gain * mw, -self.most_mw), self.most_mw)
        return min(max(wanted_mw, self.cap[0]), self.cap[1])

"""The headend's session time on the agent's own monotonic clock: pure.

The headend writes its time since Welcome into Alive and Setpoint. A message's arrival minus that
time is the start of session time plus the message's delay. The least of these differences is the
best estimate of the start. With it, the agent recognizes a late setpoint without comparing wall
clocks.

The two clocks may drift apart, so an estimate moves later by ``DRIFT`` of its age. The estimate
therefore never lengthens a window by more than Welcome's own delay plus that share of the time
since. A faster message improves the estimate.
"""

DRIFT = 1e-4
"""Greatest rate at which two machines' clocks drift apart: 100 ppm, a bad quartz. After an hour
without a message as fast as Welcome, an estimate is off by 0.36 s."""


class SessionClock:
    """Converts the session time of one session."""

    def __init__(self, welcomed_s: float) -> None:
        self._zero_s = welcomed_s
        self._guessed_s = welcomed_s

    def heard(self, session_us: int, now_s: float) -> None:
        """Notes the arrival of a message that was written at ``session_us``."""
        aged_s = self._zero_s + DRIFT * (now_s - self._guessed_s)
        self._zero_s = min(aged_s, now_s - session_us / 1e6)
        self._guessed_s = now_s

    def mono_s(self, session_us: int) -> float:
        """Monotonic time of the session time ``session_us``, seconds."""
        return self._zero_s + session_us / 1e6

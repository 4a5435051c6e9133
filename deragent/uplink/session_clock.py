"""The headend's session time on the agent's own monotonic clock: pure.

The headend writes its time since Welcome into Alive and Setpoint. A message's arrival minus
that time is when the session's time began, plus what the message spent on its way; the
least of all is the best guess. So a setpoint held up by a stalled link is known to be late,
although no two wall clocks agree.

The two clocks may drift apart, so a guess is worth less as it ages: by ``DRIFT`` of its age.
A window is thus never lengthened by more than Welcome's own way, plus that share of the time
since; a message that was faster makes it less.
"""

DRIFT = 1e-4
"""Greatest rate at which two machines' clocks part, seconds a second: 100 ppm, a bad quartz.
In a session that lasts an hour, and in which nothing is ever as fast as Welcome was, a guess
is 0.36 s off."""


class SessionClock:
    """Converts session time, for one session."""

    def __init__(self, welcomed_s: float) -> None:
        self._zero_s = welcomed_s
        self._guessed_s = welcomed_s

    def heard(self, session_us: int, now_s: float) -> None:
        """A message written at ``session_us`` arrived."""
        aged_s = self._zero_s + DRIFT * (now_s - self._guessed_s)
        self._zero_s = min(aged_s, now_s - session_us / 1e6)
        self._guessed_s = now_s

    def mono_s(self, session_us: int) -> float:
        """The monotonic time at which session time was ``session_us``, seconds."""
        return self._zero_s + session_us / 1e6

"""The headend's session time on the agent's own monotonic clock: pure.

The headend writes its time since Welcome into Alive and Setpoint. A message's arrival minus
that time is when the session's time began, plus what the message spent on its way; the
least of the last few is the best guess. So a setpoint held up by a stalled link is known to
be late, although no two wall clocks agree.
"""

from collections import deque

REMEMBERED = 32
"""Messages that count, the newest ones. Enough to reach back beyond a stall (a session
silent for 30 s is given up, three Alives), few enough that clocks drifting apart by 100 ppm
make 30 ms of difference."""


class SessionClock:
    """Converts session time, for one session."""

    def __init__(self, welcomed_s: float) -> None:
        self._zeros = deque([welcomed_s], maxlen=REMEMBERED)

    def heard(self, session_us: int, now_s: float) -> None:
        """A message written at ``session_us`` arrived."""
        self._zeros.append(now_s - session_us / 1e6)

    def mono_s(self, session_us: int) -> float:
        """The monotonic time at which session time was ``session_us``, seconds."""
        return min(self._zeros) + session_us / 1e6

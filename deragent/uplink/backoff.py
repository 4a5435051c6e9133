"""When to reconnect: pure. Full jitter, so that a fleet does not return all at once.

The wait is drawn from 0 to a ceiling that doubles with every attempt, from 0.5 s to 30 s. A
session of at least a minute resets the ceiling. If the headend's Goodbye asked for a wait, the
drawn wait is added to it.
"""

from dataclasses import dataclass

FIRST_CEILING_S = 0.5
LAST_CEILING_S = 30.0
HEALTHY_S = 60.0
"""After a session of this length the headend counts as reachable."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The attempts since the last healthy session."""

    failures: int = 0

    def after(
        self, *, lived_s: float, reconnect_after_s: float, draw: float
    ) -> tuple["Backoff", float]:
        """The backoff after an attempt has ended, and the wait before the next one.

        ``lived_s`` is the length of its session, 0 if there was none. ``draw`` is uniform in
        0..1. Units: seconds.
        """
        failures = 0 if lived_s >= HEALTHY_S else self.failures
        ceiling_s = LAST_CEILING_S
        # 2**6 exceeds the last ceiling already; a much larger power would overflow.
        if failures < 6:
            ceiling_s = min(LAST_CEILING_S, FIRST_CEILING_S * 2**failures)
        return Backoff(failures + 1), reconnect_after_s + draw * ceiling_s

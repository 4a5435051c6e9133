"""When to try the headend again: pure. Full jitter, so that a fleet does not come at once.

The wait is drawn from 0 to a ceiling that doubles with every attempt, from 0.5 s up to 30 s;
a session that lived a healthy minute starts the count anew. What the headend asked for in
its Goodbye is waited for first, and the jitter comes on top.
"""

from dataclasses import dataclass

FIRST_CEILING_S = 0.5
LAST_CEILING_S = 30.0
HEALTHY_S = 60.0
"""A session that lived this long shows that the headend can be reached."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often it was tried since the last healthy session."""

    failures: int = 0

    def after(
        self, *, lived_s: float, reconnect_after_s: float, draw: float
    ) -> tuple["Backoff", float]:
        """The backoff after an attempt ended, and how long to wait before the next.

        ``lived_s``: how long its session stood, 0 if there was none. ``draw``: uniform, 0..1.
        Units: all in seconds.
        """
        failures = 0 if lived_s >= HEALTHY_S else self.failures
        ceiling_s = LAST_CEILING_S
        # 2**6 is past the last ceiling already; a larger power would overflow one day.
        if failures < 6:
            ceiling_s = min(LAST_CEILING_S, FIRST_CEILING_S * 2**failures)
        return Backoff(failures + 1), reconnect_after_s + draw * ceiling_s

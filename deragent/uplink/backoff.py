"""When to reconnect: pure. Full jitter, so that a fleet does not return all at once.

The wait is drawn from 0 to a ceiling. The ceiling doubles with every attempt from 0.5 s to 5 s,
and then grows with the outage: to a quarter of the time without a session, at most 30 s. So a
headend that was away for seconds has its agents back within 5 s, and one that was away for
minutes is not asked every few seconds. A session of at least a minute starts all of it anew.

If the headend's Goodbye asked for a wait, the drawn wait is added to it. If the headend gave the
agent a turn, because too many agents register at once, the agent adds at most a second: the
headend has spread the turns, and a later agent would lose its turn.
"""

from dataclasses import dataclass

FIRST_CEILING_S = 0.5
QUICK_CEILING_S = 5.0
"""The ceiling until a quarter of the outage exceeds it."""
OUTAGE_SHARE = 0.25
"""The share of the outage that the next wait may take."""
LAST_CEILING_S = 30.0
TURN_CEILING_S = 1.0
"""The ceiling of what is added to a turn."""
HEALTHY_S = 60.0
"""After a session of this length the headend counts as reachable."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The attempts, and the time without a session, since the last healthy one."""

    failures: int = 0
    away_s: float = 0.0
    """Seconds without a session up to the last attempt's end."""
    ended_s: float | None = None
    """Monotonic time of the last attempt's end; None = there was no attempt."""

    def after(
        self,
        *,
        now_s: float,
        draw: float,
        lived_s: float = 0.0,
        reconnect_after_s: float = 0.0,
        has_turn: bool = False,
    ) -> tuple["Backoff", float]:
        """The backoff after an attempt has ended now, and the wait before the next one.

        ``lived_s`` is the length of its session, 0 if there was none. ``draw`` is uniform in
        0..1. ``has_turn``: ``reconnect_after_s`` is the headend's turn for this agent.
        Units: seconds.
        """
        failures, away_s = 0, 0.0
        if lived_s < HEALTHY_S:
            failures, away_s = self.failures, self.away_s
            if self.ended_s is not None:
                away_s += max(0.0, now_s - self.ended_s - lived_s)
        ceiling_s = TURN_CEILING_S if has_turn else _ceiling_s(failures, away_s)
        return Backoff(failures + 1, away_s, now_s), reconnect_after_s + draw * ceiling_s


def _ceiling_s(failures: int, away_s: float) -> float:
    # 2**4 exceeds the quick ceiling already; a much larger power would overflow.
    quick_s = min(QUICK_CEILING_S, FIRST_CEILING_S * 2.0 ** min(failures, 4))
    return min(LAST_CEILING_S, max(quick_s, OUTAGE_SHARE * away_s))

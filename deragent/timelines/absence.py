"""How much time passed while an agent was away: pure.

Monotonic times end with the process. So a stamp holds the wall clock and the time since the
machine's boot. For two stamps of one boot, the time since boot gives the absence, because nobody
can set it. For other stamps the wall clock gives it. If the wall clock was set back, the absence
is unknown.

After another boot the wall clock is in doubt: without a clock battery, it resumes at the time at
which the machine stopped. The headend's clock in the next Welcome corrects it (``Absence``).
"""

from dataclasses import dataclass

TOLERATED_S = 1.0
"""Difference between two clocks over an absence that is ignored, seconds."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment by clocks that outlive the process."""

    wall_us: int
    """Microseconds since the epoch."""
    boot: str = ""
    """Names this boot of the machine; empty if unknown."""
    up_us: int = 0
    """Time since boot, suspension included, microseconds."""
    headend_us: int = 0
    """The headend's clock; 0 if unknown."""
    doubtful_us: int | None = None
    """Age of ``headend_us`` while an absence is still to be corrected, microseconds.

    None if ``headend_us`` is the headend's clock at this very moment.
    """


def passed_s(then: Stamp, now: Stamp) -> float | None:
    """Time from ``then`` to ``now``, seconds; None if it is unknown."""
    passed_us = now.up_us - then.up_us if same_boot(then, now) else now.wall_us - then.wall_us
    return passed_us / 1e6 if passed_us >= 0 else None


def same_boot(then: Stamp, now: Stamp) -> bool:
    """Whether both stamps are known to be of one boot of the machine."""
    return then.boot == now.boot != ""


@dataclass(frozen=True, slots=True)
class Absence:
    """The absence that the agent assumes, which the headend's clock will correct."""

    left_us: int
    """The headend's clock when the agent's previous process last wrote its file."""
    left_s: float
    """The time of that write by this process's clock, monotonic seconds."""

    def underestimated_s(self, headend_us: int, now_s: float) -> float:
        """How much longer the absence was than assumed, seconds.

        Negative if it was shorter, since the agent's clock had been set forward. 0 if the
        difference is within ``TOLERATED_S``.
        """
        more_s = (headend_us - self.left_us) / 1e6 - (now_s - self.left_s)
        known = headend_us >= self.left_us >= 0 and abs(more_s) >= TOLERATED_S
        return more_s if known else 0.0

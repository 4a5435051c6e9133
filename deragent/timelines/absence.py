"""How much time passed while an agent was away: pure.

Monotonic times end with the process, so a moment is stamped with the wall clock and with the
time since the machine's boot. The stamps of then and now tell what passed in between: the time
since boot if it is still the same boot, which no one can set; else the wall clock. If the wall
clock was set back, nobody knows what passed.

After another boot the wall clock is not believed when it says that little passed: machines
without a battery for it go on from where it stood. The headend's clock in the next Welcome
corrects it (``Absence``).
"""

from dataclasses import dataclass

TOLERATED_S = 1.0
"""By how much two clocks may differ over an absence before it counts, seconds."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment by clocks that outlive a process."""

    wall_us: int
    """Microseconds since the epoch."""
    boot: str = ""
    """Names this boot of the machine; empty if it is not known."""
    up_us: int = 0
    """Time since then, also while it slept, microseconds."""
    headend_us: int = 0
    """The headend's clock, as far as it is known; 0 if it is not."""
    doubtful_us: int | None = None
    """How long ago that was, microseconds, if the agent had been away and its count was not yet
    corrected; None if it is of this very moment."""


def passed_s(then: Stamp, now: Stamp) -> float | None:
    """How long ago ``then`` was, seconds; None if nobody knows."""
    passed_us = now.up_us - then.up_us if same_boot(then, now) else now.wall_us - then.wall_us
    return passed_us / 1e6 if passed_us >= 0 else None


def same_boot(then: Stamp, now: Stamp) -> bool:
    """Whether both are known to be of one boot of the machine."""
    return then.boot == now.boot != ""


@dataclass(frozen=True, slots=True)
class Absence:
    """How long the agent thinks that it was away, for the headend's clock to correct."""

    left_us: int
    """The headend's clock when the agent's earlier life wrote its last word."""
    left_s: float
    """When that was, as this life counts, monotonic seconds."""

    def underrated_s(self, headend_us: int, now_s: float) -> float:
        """How much longer it was, seconds, now that the headend's clock is known; negative if
        it was shorter, since the agent's clock had been set forward; or 0."""
        more_s = (headend_us - self.left_us) / 1e6 - (now_s - self.left_s)
        known = headend_us >= self.left_us and abs(more_s) >= TOLERATED_S
        return more_s if known else 0.0

"""When an agent acts alone, and what it then tells a device: pure.

Silence is time in which no message of the headend came; any message ends it, and Alive comes
every 10 s, so a quiet fleet is not a silent headend. Times are monotonic seconds; -inf is an
agent that does not know since when the headend is silent, which is too long for any failsafe.
"""

import math

from derproto.base.fleet import Failsafe, FailsafeAction


def due_s(failsafe: Failsafe, heard_s: float) -> float | None:
    """When a headend last heard at ``heard_s`` will have been silent too long; None = never."""
    return heard_s + failsafe.after_s if failsafe.after_s > 0 else None


def is_due(failsafe: Failsafe, heard_s: float, now_s: float) -> bool:
    """Whether it has been silent too long."""
    at_s = due_s(failsafe, heard_s)
    return heard_s == -math.inf or (at_s is not None and now_s >= at_s)


def retreat_mw(failsafe: Failsafe, default_mw: float | None) -> float | None:
    """What the device is told then, MW; None = it is released to its own control."""
    return None if failsafe.action is FailsafeAction.RELEASE else default_mw

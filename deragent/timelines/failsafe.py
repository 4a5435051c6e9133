"""When an agent acts alone, and the setpoint that it then tells a device: pure.

Silence is time without any message from the headend. Alive comes every 10 s, so a quiet fleet is
not a silent headend. Times are monotonic seconds. If the agent does not know when it last heard
the headend, that time is -inf: too long ago for any failsafe.
"""

import math

from derproto.configuration.fleet import Failsafe, FailsafeAction


def due_s(failsafe: Failsafe, heard_s: float) -> float | None:
    """When the silence since ``heard_s`` becomes too long; None = never."""
    return heard_s + failsafe.after_s if failsafe.after_s > 0 else None


def is_due(failsafe: Failsafe, heard_s: float, now_s: float) -> bool:
    """Whether the silence since ``heard_s`` is too long."""
    at_s = due_s(failsafe, heard_s)
    return heard_s == -math.inf or (at_s is not None and now_s >= at_s)


def retreat_mw(failsafe: Failsafe, default_mw: float | None) -> float | None:
    """The setpoint for a silent headend, MW; None = release the device to its own control."""
    return None if failsafe.action is FailsafeAction.RELEASE else default_mw

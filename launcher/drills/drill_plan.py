"""A plan of a drill: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from derproto.configuration.problems import Problem
from launcher.drills.drill_times import NO_TIME, DrillTime, TimeSpread
from launcher.drills.fault_kinds import FaultKind, Victim
from launcher.drills.promise import Promise

WHOLE = DrillTime(1.0, share=True)
START = DrillTime(0.0)

USUAL_EVERY = DrillTime(3.0)
USUAL_WINDOW = TimeSpread(DrillTime(8.0), DrillTime(20.0))


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A rule of a plan: a fault at one time, or again and again."""

    kind: FaultKind
    victim: Victim
    at: DrillTime | None = None
    """When it strikes; None = again and again."""
    every: DrillTime | None = None
    """The mean time between two strikes; None = once."""
    lasting: TimeSpread = NO_TIME
    from_: DrillTime = START
    """Before this time, a fault with ``every`` does not strike."""
    to: DrillTime = WHOLE
    """After this time, a fault with ``every`` does not strike, and one that lasts ends."""
    parameters: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    place: Problem | None = None
    """Where the target stands in the file, for problems that show only beside a fleet."""


@dataclass(frozen=True, slots=True)
class OrderRule:
    """What the operator of a drill orders."""

    every: DrillTime = USUAL_EVERY
    """The mean time between two orders. An asset has one order at a time."""
    lasting: TimeSpread | None = USUAL_WINDOW
    """The length of an order's window; None = it has no end, and is withdrawn after the drill."""


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """Everything that a plan file says."""

    name: str
    about: str
    duration_s: float
    """Length of the drill, seconds."""
    seed: int
    sites: int
    """Sites of the fleet that the drill makes if no file names another one."""
    failsafe_after_s: float
    """``failsafe.after_s`` of the assets of that fleet, seconds."""
    orders: OrderRule
    headend: Mapping[str, float]
    """Settings of the headend that differ from its defaults, seconds."""
    rules: tuple[FaultRule, ...]
    proves: tuple[Promise, ...] = ()
    """Promises for which the drill exists: without a case of each it has failed."""

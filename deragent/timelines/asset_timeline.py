"""The timeline of one asset: its orders, the one in force, and what its device is still owed. Pure.

An asset holds orders whose windows do not overlap. At most one is in force: its window has
begun and not ended. ``stepping`` changes a timeline; here it only answers questions.

Times are monotonic seconds, as given by whoever runs the timeline.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deragent.timelines import failsafe
from deragent.timelines.seen_orders import SeenOrder
from deragent.timelines.timed_orders import InForce, Moment, Phase, Report, TimedOrder
from derproto.base.fleet import Failsafe, Limits


@dataclass(frozen=True, slots=True)
class Timeline:
    """All orders of one asset."""

    limits: Limits
    default_mw: float | None
    """MW; None = the device is released to its own control."""
    failsafe: Failsafe = field(default_factory=Failsafe)
    held: tuple[TimedOrder, ...] = ()
    """Orders that wait or are in force; their windows do not overlap."""
    in_force: InForce | None = None
    """The held order whose window it is."""
    returning: bool = False
    """Whether the device has not yet taken its default, or failsafe, after an order."""
    default_due_s: float | None = None
    """When the device has to be told that (again); None while it is being told."""
    known: Mapping[str, SeenOrder] = field(default_factory=lambda: MappingProxyType({}))
    """By id: of every order held, and of those ended lately, in the order of their end."""

    @property
    def suspended(self) -> bool:
        """Whether an order waits for the headend to be heard again."""
        return self.in_force is not None and self.in_force.phase is Phase.SUSPENDED


def next_deadline(timeline: Timeline, heard_s: float) -> float | None:
    """When ``TimePassed`` will change something, monotonic seconds, or None.

    ``heard_s`` is when the headend was last heard; it may be later by then.
    """
    force = timeline.in_force
    due = [order.end_s for order in timeline.held]
    due += [o.start_s for o in timeline.held if force is None or o.dispatch_id != force.dispatch_id]
    due.append(timeline.default_due_s)
    if force is not None and force.phase is not Phase.SUSPENDED:
        due += [force.retry_s, failsafe.due_s(timeline.failsafe, heard_s)]
    return min((at_s for at_s in due if at_s is not None), default=None)


def last_reports(timeline: Timeline, now: Moment) -> tuple[Report, ...]:
    """The last report of every id held or ended within a day, held ones first."""
    known = timeline.known.values()
    held = [each.report for each in known if each.ended_s is None]
    ended = [each.report for each in known if each.ended_lately(now.mono_s)]
    return (*held, *ended)

"""The timeline of one asset: an immutable value, changed only by ``stepping``. Pure.

The windows of the held orders do not overlap. At most one order is in force: its window has
begun and not ended. Times are monotonic seconds, as given by the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deragent.timelines import failsafe
from deragent.timelines.seen_orders import SeenOrder
from deragent.timelines.timed_orders import InForce, Moment, Phase, Report, TimedOrder
from derproto.configuration.fleet import Failsafe, Limits


@dataclass(frozen=True, slots=True)
class Timeline:
    """The orders of one asset, the one in force, and the state of its device."""

    limits: Limits
    default_mw: float | None
    """The device's default, MW; None = the device is released to its own control."""
    failsafe: Failsafe = field(default_factory=Failsafe)
    held: tuple[TimedOrder, ...] = ()
    """Orders that wait or are in force; their windows do not overlap."""
    in_force: InForce | None = None
    """The held order whose window is open."""
    returning: bool = False
    """Whether the device has yet to take its default or failsafe after an order."""
    default_due_s: float | None = None
    """When the device must be told its default or failsafe; None while it is being told."""
    local: bool = False
    """Whether someone at the site has control of the device. A restart does not remember it."""
    seen: Mapping[str, SeenOrder] = field(default_factory=lambda: MappingProxyType({}))
    """Held orders and orders that ended lately, by id; ended ones in the order of their end."""

    @property
    def suspended(self) -> bool:
        """Whether an order waits until the headend is heard again."""
        return self.in_force is not None and self.in_force.phase is Phase.SUSPENDED


def next_deadline(timeline: Timeline, heard_s: float) -> float | None:
    """When ``TimePassed`` will next change something, monotonic seconds; None = never.

    ``heard_s`` is when the headend was last heard. It may move on before the deadline.
    """
    force = timeline.in_force
    due = [order.end_s for order in timeline.held]
    due += [o.start_s for o in timeline.held if force is None or o.dispatch_id != force.dispatch_id]
    if not timeline.local:
        due.append(timeline.default_due_s)
    if force is not None and force.phase is not Phase.SUSPENDED:
        due += [force.retry_s, failsafe.due_s(timeline.failsafe, heard_s)]
    return min((at_s for at_s in due if at_s is not None), default=None)


def last_reports(timeline: Timeline, now: Moment) -> tuple[Report, ...]:
    """The last report on each order that is held or ended within a day, held ones first."""
    seen = timeline.seen.values()
    held = [each.report for each in seen if each.ended_s is None]
    ended = [each.report for each in seen if each.ended_lately(now.mono_s)]
    return (*held, *ended)

"""An idle timeline, orders to it, and words for what follows."""

from deragent.timelines.asset_timeline import Timeline
from deragent.timelines.timed_orders import (
    Apply,
    Moment,
    Report,
    ReturnToDefault,
    SetpointArrived,
    TimedOrder,
    TimelineEffect,
)
from derproto.configuration.fleet import Limits

IDLE = Timeline(Limits(-2.0, 2.0), default_mw=0.25)


def order(
    dispatch_id: str,
    mw: float = 1.0,
    start_s: float = 0.0,
    end_s: float | None = None,
    priority: int = 128,
    ordered_us: int = 0,
) -> TimedOrder:
    return TimedOrder(dispatch_id, mw, priority, start_s, end_s, ordered_us=ordered_us)


def moment(at_s: float, heard_s: float | None = None) -> Moment:
    """A time at which the headend was just heard, or when that was."""
    return Moment(at_s, round(at_s * 1e6), at_s if heard_s is None else heard_s)


def words(effect: TimelineEffect) -> str:
    """An effect as the tables write it."""
    match effect:
        case Report(dispatch_id, state):
            assert state.name is not None
            suspended = " suspended" if effect.suspended else ""
            interrupted = f" -{effect.interrupted_us / 1e6:g}" if effect.interrupted_us else ""
            return f"{dispatch_id} {state.name.lower()}{suspended}{interrupted}"
        case Apply(dispatch_id, mw):
            return f"tell {dispatch_id} {mw:g}"
        case ReturnToDefault(mw):
            return "release" if mw is None else f"default {mw:g}"


def arrive(*args: object, **kwargs: object) -> SetpointArrived:
    return SetpointArrived(order(*args, **kwargs))  # type: ignore[arg-type]

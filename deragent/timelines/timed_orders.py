"""Orders to an asset, events that change its timeline, and the effects. Values only: pure.

Times are monotonic seconds unless their names say otherwise. Power is MW, positive =
generation.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from derproto.base.windows import Window
from derproto.der.v1 import DispatchReason, DispatchState, Suspension


def before(time_s: float, end_s: float | None) -> bool:
    """Whether a time is before an end; None = there is no end."""
    return end_s is None or time_s < end_s


@dataclass(frozen=True, slots=True)
class Moment:
    """The present by two clocks, and when the headend was last heard."""

    mono_s: float
    """Monotonic seconds; all decisions use it."""
    wall_us: int
    """Microseconds since the epoch; only reports use it."""
    heard_s: float
    """When the headend's last message came, monotonic seconds; the agent's start if none has."""

    def wall_us_at(self, mono_s: float) -> int:
        """The wall time of another monotonic time."""
        return self.wall_us + round((mono_s - self.mono_s) * 1e6)


@dataclass(frozen=True, slots=True)
class TimedOrder:
    """A setpoint with its window, [``start_s``, ``end_s``)."""

    dispatch_id: str
    mw: float
    priority: int
    start_s: float
    end_s: float | None
    """None = until another order replaces it."""
    ramp_mw_per_s: float | None = None
    ordered_us: int = 0
    """When the headend accepted the order, by its clock; 0 = unknown."""
    from_us: int = 0
    """The window's start by the headend's clock; 0 = unknown."""
    until_us: int | None = None
    """The window's end by the headend's clock; None = until another order replaces it."""

    def moved(self, seconds: float) -> "TimedOrder":
        """The order with its window corrected by so many seconds.

        A negative correction moves the whole window; a positive one moves only its start:
        doubt may shorten a window, and never lengthens it.
        """
        end_s = None if self.end_s is None else self.end_s + min(0.0, seconds)
        return replace(self, start_s=self.start_s + seconds, end_s=end_s)

    def outranks(self, newcomer: "TimedOrder") -> bool:
        """Whether this order beats one that arrives after it: by priority, then the later order."""
        if self.priority != newcomer.priority:
            return self.priority < newcomer.priority
        return 0 < newcomer.ordered_us < self.ordered_us

    def overlaps(self, other: "TimedOrder") -> bool:
        """Whether the two windows overlap.

        The headend's clock decides if both orders have times by it. By the agent's clock,
        adjacent windows can seem to overlap, by as long as their messages were on their way.
        """
        if self.from_us and other.from_us:
            theirs = Window(other.from_us, other.until_us)
            return Window(self.from_us, self.until_us).overlaps(theirs)
        return self._mono_window().overlaps(other._mono_window())

    def _mono_window(self) -> Window:
        """The order's window by the agent's monotonic clock, microseconds."""
        end_us = None if self.end_s is None else round(self.end_s * 1e6)
        return Window(round(self.start_s * 1e6), end_us)

    def making_way(self, other: "TimedOrder") -> "TimedOrder":
        """The order, cut to end where ``other`` begins, if ``other`` begins later by the
        headend's clock."""
        later = 0 < self.from_us < other.from_us
        if later and self.end_s is not None and self.end_s > other.start_s:
            return replace(self, end_s=other.start_s)
        return self


@dataclass(frozen=True, slots=True)
class Report:
    """Effect: report an order's state to the headend."""

    dispatch_id: str
    state: DispatchState
    ts_us: int
    reason: DispatchReason = DispatchReason.UNSPECIFIED
    applied_mw: float | None = None
    detail: str = ""
    superseded_by: str = ""
    """Id of the order that superseded this one."""
    suspended: Suspension = Suspension.UNSPECIFIED
    """Why the device does not follow a started order now."""
    interrupted_us: int = 0
    """Time so far in which the device did not follow the order within its window, microseconds."""
    revision: int = 1
    """Counts the reports on this order, from 1."""


class Phase(StrEnum):
    """The state of the order in force at its device."""

    DUE = "due"
    """The window has begun; the device does not know the order yet."""
    TELLING = "telling"
    """The device is being told."""
    PAUSING = "pausing"
    """The device did not take the order; the next attempt is due later."""
    FOLLOWED = "followed"
    """The device took the order."""
    SUSPENDED = "suspended"
    """The headend is silent too long, so the device was told its failsafe instead."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The order whose window is open, and its state at the device."""

    dispatch_id: str
    phase: Phase = Phase.DUE
    told: bool = False
    """Whether the device was ever told the order; it may have taken it without an answer."""
    attempts: int = 0
    """Failed attempts since the device last took the order, or the order was last suspended."""
    retry_s: float | None = None
    """When the next attempt is due, in ``PAUSING``."""
    complaint: str = ""
    """The device's last error about this order."""
    away_s: float | None = None
    """Start of the interruption; None while the device follows the order, or never has."""
    interrupted_s: float = 0.0
    """Interruption before ``away_s``, seconds."""

    def interrupted_us(self, at_s: float) -> int:
        """The whole interruption up to ``at_s``, microseconds."""
        away_s = 0.0 if self.away_s is None else max(0.0, at_s - self.away_s)
        return round((self.interrupted_s + away_s) * 1e6)


@dataclass(frozen=True, slots=True)
class Apply:
    """Effect: tell the device the order. The answer is ``Applied`` or ``ApplyFailed``."""

    dispatch_id: str
    mw: float
    ramp_mw_per_s: float | None
    end_s: float | None
    """End of the window; the device must not be told the order after it."""


@dataclass(frozen=True, slots=True)
class ReturnToDefault:
    """Effect: tell the device its default or failsafe.

    The answer is ``DefaultTaken`` or ``DefaultFailed``.
    """

    mw: float | None
    """None = release the device to its own control."""


TimelineEffect = Report | Apply | ReturnToDefault


@dataclass(frozen=True, slots=True)
class SetpointArrived:
    """The headend sent an order."""

    order: TimedOrder


@dataclass(frozen=True, slots=True)
class CancelArrived:
    """The headend withdrew an order."""

    dispatch_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Applied:
    """The device took the order."""

    dispatch_id: str
    mw: float


@dataclass(frozen=True, slots=True)
class ApplyFailed:
    """The device did not take the order."""

    dispatch_id: str
    detail: str
    local: bool = False
    """Whether it refused because someone at the site has control of it."""


@dataclass(frozen=True, slots=True)
class LocalControl:
    """Someone at the site took control of the device, or gave it back."""

    begins: bool


@dataclass(frozen=True, slots=True)
class OrderWithheld:
    """The order's window ended while the order waited for the disk."""

    dispatch_id: str


@dataclass(frozen=True, slots=True)
class DefaultTaken:
    """The device took its default or failsafe."""


@dataclass(frozen=True, slots=True)
class DefaultFailed:
    """The device did not take its default or failsafe."""


@dataclass(frozen=True, slots=True)
class AbsenceCorrected:
    """The agent was away for longer than it assumed when it restored its timeline."""

    seconds: float
    """How much longer; negative if the absence was shorter."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline may be due, or the headend was heard again."""


TimelineEvent = (
    SetpointArrived
    | CancelArrived
    | Applied
    | ApplyFailed
    | LocalControl
    | OrderWithheld
    | DefaultTaken
    | DefaultFailed
    | AbsenceCorrected
    | TimePassed
)

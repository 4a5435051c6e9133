"""Orders to an asset: what happens to them (events) and what follows (effects). Values only: pure.

Times are monotonic seconds unless their names say otherwise; power is MW, positive =
generation.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from derproto.der.v1 import DispatchReason, DispatchState, Suspension


def before(time_s: float, end_s: float | None) -> bool:
    """Whether a time lies before an end, which may be none."""
    return end_s is None or time_s < end_s


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, twice, and when the headend was last heard."""

    mono_s: float
    """Monotonic seconds; what decides."""
    wall_us: int
    """Microseconds since the epoch; what reports say."""
    heard_s: float
    """Monotonic seconds of the headend's last message; of the agent's start before one."""

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
    """None: until replaced."""
    ramp_mw_per_s: float | None = None
    ordered_us: int = 0
    """When the headend took the order, by its clock; 0 = not known."""
    from_us: int = 0
    """The window's start by the headend's clock; 0 = not known."""
    until_us: int | None = None
    """Its end by that clock; None: until replaced."""

    def moved(self, seconds: float) -> "TimedOrder":
        """The same with its window so much earlier, if negative; else its start alone is later:
        what is not sure shortens a window, and never lengthens it."""
        end_s = None if self.end_s is None else self.end_s + min(0.0, seconds)
        return replace(self, start_s=self.start_s + seconds, end_s=end_s)

    def outranks(self, newcomer: "TimedOrder") -> bool:
        """Whether it wins over one that arrives after it: priority, then the later order."""
        if self.priority != newcomer.priority:
            return self.priority < newcomer.priority
        return 0 < newcomer.ordered_us < self.ordered_us

    def overlaps(self, other: "TimedOrder") -> bool:
        """Whether some time belongs to both windows.

        By the headend's clock, if it is known of both: by ours, windows that only meet may
        overlap by what their messages were on their way.
        """
        if self.from_us and other.from_us:
            return before(self.from_us, other.until_us) and before(other.from_us, self.until_us)
        return before(self.start_s, other.end_s) and before(other.start_s, self.end_s)

    def making_way(self, other: "TimedOrder") -> "TimedOrder":
        """The order, ended where ``other`` begins if that is later by the headend's clock:
        of windows that meet, the one ends before the other begins."""
        later = 0 < self.from_us < other.from_us
        if later and self.end_s is not None and self.end_s > other.start_s:
            return replace(self, end_s=other.start_s)
        return self


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an order; an effect, to be told to the headend."""

    dispatch_id: str
    state: DispatchState
    ts_us: int
    reason: DispatchReason = DispatchReason.UNSPECIFIED
    applied_mw: float | None = None
    detail: str = ""
    superseded_by: str = ""
    """Id of the order that it gave way to."""
    suspended: Suspension = Suspension.UNSPECIFIED
    """Why the device does not follow it now, though it is started."""
    interrupted_us: int = 0
    """Time of its window, so far, in which the device did not follow it, microseconds."""
    revision: int = 1
    """How many reports of this order there were, with this one."""


class Phase(StrEnum):
    """How far the order in force has come with its device."""

    DUE = "due"
    """Its window has begun, and the device is to be told."""
    TELLING = "telling"
    """The device is being told."""
    PAUSING = "pausing"
    """The device did not take it, and will be told again."""
    FOLLOWED = "followed"
    """The device took it."""
    SUSPENDED = "suspended"
    """The headend is silent too long: the device was told its failsafe instead."""


@dataclass(frozen=True, slots=True)
class InForce:
    """The order whose window it is, and what came of it at the device."""

    dispatch_id: str
    phase: Phase = Phase.DUE
    told: bool = False
    """Whether the device was ever told it; then it may have taken it, answer or not."""
    attempts: int = 0
    """How often the device failed to take it, since it was last taken or suspended."""
    retry_s: float | None = None
    """When the device is told again, in ``PAUSING``."""
    complaint: str = ""
    """What the device last said against it."""
    away_s: float | None = None
    """Since when the device does not follow it, for a reason that counts as interruption."""
    interrupted_s: float = 0.0
    """How long it did not before that, seconds."""

    def interrupted_us(self, at_s: float) -> int:
        """All of the interruption up to ``at_s``, microseconds."""
        away_s = 0.0 if self.away_s is None else max(0.0, at_s - self.away_s)
        return round((self.interrupted_s + away_s) * 1e6)


@dataclass(frozen=True, slots=True)
class Apply:
    """Effect: tell the device the order; answer with ``Applied`` or ``ApplyFailed``."""

    dispatch_id: str
    mw: float
    ramp_mw_per_s: float | None
    end_s: float | None
    """When its window ends; the device must not be told it any more."""


@dataclass(frozen=True, slots=True)
class ReturnToDefault:
    """Effect: tell the device its default, or its failsafe.

    Answer with ``DefaultTaken`` or ``DefaultFailed``.
    """

    mw: float | None
    """None = release it to its own control."""


TimelineEffect = Report | Apply | ReturnToDefault


@dataclass(frozen=True, slots=True)
class SetpointArrived:
    """The headend ordered."""

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


@dataclass(frozen=True, slots=True)
class NeverTold:
    """The order was kept from the device for all of its window."""

    dispatch_id: str


@dataclass(frozen=True, slots=True)
class DefaultTaken:
    """The device took its default or failsafe."""


@dataclass(frozen=True, slots=True)
class DefaultFailed:
    """The device did not take its default or failsafe."""


@dataclass(frozen=True, slots=True)
class MoreTimePassed:
    """The agent was away for longer than it thought when it took over its timeline."""

    seconds: float
    """Negative if it was shorter."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline may be due, or the headend was heard again."""


TimelineEvent = (
    SetpointArrived
    | CancelArrived
    | Applied
    | ApplyFailed
    | NeverTold
    | DefaultTaken
    | DefaultFailed
    | MoreTimePassed
    | TimePassed
)

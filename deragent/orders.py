"""Orders to an asset: what happens to them (events) and what follows (effects). Values only.

Times are monotonic seconds unless their names say otherwise; power is MW, positive =
generation.
"""

from dataclasses import dataclass

from derproto.der.v1 import DispatchReason, DispatchState


def before(time_s: float, end_s: float | None) -> bool:
    """Whether a time lies before an end, which may be none."""
    return end_s is None or time_s < end_s


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, twice."""

    mono_s: float
    """Monotonic seconds; what decides."""
    wall_us: int
    """Microseconds since the epoch; what reports say."""


@dataclass(frozen=True, slots=True)
class Order:
    """A setpoint with its window, [``start_s``, ``end_s``)."""

    dispatch_id: str
    mw: float
    priority: int
    start_s: float
    end_s: float | None
    """None: until replaced."""
    ramp_mw_per_s: float | None = None

    def overlaps(self, other: "Order") -> bool:
        """Whether some time belongs to both windows."""
        return before(self.start_s, other.end_s) and before(other.start_s, self.end_s)


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an order; an effect, to be told to the headend."""

    dispatch_id: str
    state: DispatchState
    ts_us: int
    reason: DispatchReason = DispatchReason.UNSPECIFIED
    applied_mw: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Apply:
    """Effect: tell the device the order; answer with ``Applied`` or ``ApplyFailed``."""

    dispatch_id: str
    mw: float
    ramp_mw_per_s: float | None


@dataclass(frozen=True, slots=True)
class ReturnToDefault:
    """Effect: tell the device its default; answer with ``DefaultTaken`` or ``DefaultFailed``."""

    mw: float | None
    """None = release it to its own control."""


Effect = Report | Apply | ReturnToDefault


@dataclass(frozen=True, slots=True)
class SetpointArrived:
    """The headend ordered."""

    order: Order


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
class DefaultTaken:
    """The device took its default."""


@dataclass(frozen=True, slots=True)
class DefaultFailed:
    """The device did not take its default."""


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A deadline may be due."""


Event = (
    SetpointArrived
    | CancelArrived
    | Applied
    | ApplyFailed
    | DefaultTaken
    | DefaultFailed
    | TimePassed
)

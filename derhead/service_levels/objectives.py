"""The promises to an operator, and how often each must hold: pure."""

from dataclasses import dataclass
from enum import StrEnum

DISPATCH_US = 2_000_000
"""Time within which a dispatch must reach its agent, and its device. ``telemetry.FRESH_US`` is the
age that telemetry may have."""

WINDOW_HOURS = 168
"""Hours that service levels are summed over: the present one, and those before it."""


class ServicePromise(StrEnum):
    """What an operator is promised."""

    TELEMETRY = "telemetry"
    AVAILABILITY = "availability"
    DISPATCH = "dispatch"


@dataclass(frozen=True, slots=True)
class Objectives:
    """The share of time, or of dispatches, for which each promise must hold; 0 to 1."""

    telemetry: float = 0.999
    """Of the time, telemetry is fresh."""
    availability: float = 0.999
    """Of the time, a connected agent holds the asset."""
    dispatch: float = 0.99
    """Of dispatches, each of both ways takes at most ``DISPATCH_US``."""

    def of(self, promise: ServicePromise) -> float:
        """The objective of that promise."""
        return {
            ServicePromise.TELEMETRY: self.telemetry,
            ServicePromise.AVAILABILITY: self.availability,
            ServicePromise.DISPATCH: self.dispatch,
        }[promise]

"""The ids of an asset's orders, so that each order is applied once: pure.

A timeline remembers held orders as long as it holds them, and ended ones for a day. Ended ids
are in the order of their end.
"""

from dataclasses import dataclass

from deragent.timelines.timed_orders import Report

MAX_SEEN = 2048
"""Remembered dispatch ids of one asset: a dispatch every 42 s for a day. When full, the id whose
order ended longest ago is forgotten."""
REMEMBER_S = 24 * 3600.0
"""How long the id of an ended order is remembered, seconds."""


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """What a timeline remembers of one order."""

    report: Report
    ended_s: float | None = None
    """When the order ended; None while it is held."""

    def ended_lately(self, now_s: float) -> bool:
        """Whether the order ended less than ``REMEMBER_S`` ago."""
        return self.ended_s is not None and now_s - self.ended_s < REMEMBER_S


def make_room(seen: dict[str, SeenOrder], now_s: float) -> None:
    """Drops, in place, ids that ended too long ago, then the oldest until one new id fits."""
    surplus = len(seen) + 1 - MAX_SEEN
    for key, each in list(seen.items()):
        if each.ended_s is None:
            continue
        if surplus <= 0 and each.ended_lately(now_s):
            break
        del seen[key]
        surplus -= 1

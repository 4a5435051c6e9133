"""Ids of orders that an asset's timeline knows, so that each is applied once: pure.

Held ones are known as long as they are held, ended ones for a day. Ended ids stand in the
order of their end.
"""

from dataclasses import dataclass

from deragent.timelines.timed_orders import Report

MAX_SEEN = 2048
"""Remembered dispatch ids of one asset: a dispatch every 42 s for a day. When full, the one that
ended longest ago is forgotten."""
REMEMBER_S = 24 * 3600.0
"""How long the id of an ended order is remembered, seconds."""


@dataclass(frozen=True, slots=True)
class SeenOrder:
    """What is remembered of an id."""

    report: Report
    ended_s: float | None = None
    """When it ended; None while it is held."""

    def ended_lately(self, now_s: float) -> bool:
        """Whether it has ended, and not so long ago that it may be forgotten."""
        return self.ended_s is not None and now_s - self.ended_s < REMEMBER_S


def make_room(known: dict[str, SeenOrder], now_s: float) -> None:
    """Forgets, in place, what ended too long ago, and more if one id more had no room."""
    surplus = len(known) + 1 - MAX_SEEN
    for key, each in list(known.items()):
        if each.ended_s is None:
            continue
        if surplus <= 0 and each.ended_lately(now_s):
            break
        del known[key]
        surplus -= 1

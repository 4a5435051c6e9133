"""What a site's assets do now, and what more they could: pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from derhead.dispatch.sites.allocation import Candidate, Reach, reach


@dataclass(frozen=True, slots=True)
class SiteNow:
    """A site as it is now. Powers are MW, positive = generation."""

    total: int
    """Its assets; each is one of the three that follow."""
    online: int
    """An agent that is connected holds it, and its newest sample is fresh."""
    stale: int
    """An agent holds it, and its newest sample is not fresh."""
    offline: int
    measured: int
    """Assets whose active power is known and fresh, online or not: those of ``p_mw``."""
    p_mw: float | None
    """Their sum; None if there are none."""
    rated_mw: float
    available_up_mw: float
    """By how much more the assets that are online could generate, or less consume."""
    available_down_mw: float
    """By how much less they could generate, or more consume; 0 or more, as is the other."""


def site_now(candidates: Sequence[Candidate]) -> SiteNow:
    """Adds up. A candidate's ``p_mw`` is None where it is not known or not fresh.

    What each could do is what an order to the site would ask of it at most
    (``allocation.reach``), for as long as it can be held: the energy of batteries is counted as
    empty, full, or something. Orders in force do not count, since a new one may replace them.
    An asset whose power is not known counts from 0.
    """
    online = [candidate for candidate in candidates if candidate.online]
    known = [candidate.p_mw for candidate in candidates if candidate.p_mw is not None]
    stale = sum(not candidate.fresh for candidate in online)
    rooms = [_room(candidate) for candidate in candidates]
    return SiteNow(
        total=len(candidates),
        online=len(online) - stale,
        stale=stale,
        offline=len(candidates) - len(online),
        measured=len(known),
        p_mw=math.fsum(known) if known else None,
        rated_mw=math.fsum(candidate.asset.rated_mw for candidate in candidates),
        available_up_mw=math.fsum(up for up, _ in rooms),
        available_down_mw=math.fsum(down for _, down in rooms),
    )


def _room(candidate: Candidate) -> tuple[float, float]:
    found = reach(candidate, None)
    if not isinstance(found, Reach):
        return 0.0, 0.0
    now_mw = 0.0 if candidate.p_mw is None else candidate.p_mw
    return max(0.0, found.high_mw - now_mw), max(0.0, now_mw - found.low_mw)

"""A site as it is now: what its assets do, and what more they could do. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from derhead.dispatch.sites.allocation import Candidate, Reach, reach


@dataclass(frozen=True, slots=True)
class SiteNow:
    """A site as it is now. Powers are MW, positive = generation."""

    total: int
    """Its assets. Each is online, stale or offline."""
    online: int
    """Assets that a connected agent holds and whose newest sample is fresh."""
    stale: int
    """Assets that a connected agent holds and whose newest sample is not fresh."""
    offline: int
    measured: int
    """Assets whose active power is known and fresh, online or not."""
    p_mw: float | None
    """The sum of the measured assets' active power; None if none is measured."""
    rated_mw: float
    available_up_mw: float
    """How much more the online assets could generate, or how much less consume; 0 or more."""
    available_down_mw: float
    """How much less the online assets could generate, or how much more consume; 0 or more."""


def site_now(candidates: Sequence[Candidate]) -> SiteNow:
    """Sums up the candidates. A candidate's ``p_mw`` is None if its power is unknown or not fresh.

    An asset could do at most what an order to the site could ask of it (``allocation.reach``). A
    battery's energy counts only as empty, full or neither, since the order's length is open.
    Orders in force do not count, since a new order may replace them. An asset whose power is
    unknown counts from 0.
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

"""The state of a group, derived from its parts. Pure.

A group is one order to a site under one id. Its parts are the dispatches that have the id as
their ``group_id``. The group has no state of its own. An asset has several parts if it took over
power from other assets. Its current part is the newest open one, or else the newest one.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import ENDED, State
from derhead.dispatch.orders.order import DispatchGroup

_PROGRESS = (State.STARTED, State.RECEIVED, State.SENT, State.PENDING)
"""The states of an open group, the furthest first."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """The state of a group and of its parts."""

    state: State
    """While the group is open: the state of its furthest part. Once the group has ended:
    ``completed`` if any part is, or else the most frequent end of its parts."""
    counts: Mapping[State, int]
    """Assets by the state of their current part. States without any are left out."""
    parts: int
    started: int
    """Assets with a part that has started, however the part ended."""
    first_started_us: int | None
    last_started_us: int | None
    started_in_us: int | None
    """Time from the order, or from the start of the window if that is later, to the last start."""
    allocated_mw: float
    """The power of the current parts that are open or completed."""
    shortfall_mw: float
    """The power missing from the order, with the order's sign."""
    sentence: str
    """The state in words."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def current_parts(parts: Sequence[Dispatch]) -> list[Dispatch]:
    """The current part of each asset, in the order in which assets joined the group."""
    by_asset: dict[str, Dispatch] = {}
    for part in sorted(parts, key=lambda part: (part.created_us, part.id)):
        kept = by_asset.get(part.asset_id)
        # If the newer part was refused, the one before it stays in force.
        if kept is None or kept.ended or not part.ended:
            by_asset[part.asset_id] = part
    return list(by_asset.values())


def holds(part: Dispatch) -> bool:
    """Whether the part counts towards the order: it is completed, or open and not withdrawn."""
    return part.state is State.COMPLETED or (not part.ended and part.cancelling is None)


def group_state(group: DispatchGroup, parts: Sequence[Dispatch]) -> GroupState:
    """The state of the group; ``parts`` are all dispatches of its id."""
    current = current_parts(parts)
    starts = {
        part.asset_id: change.at_us
        for part in sorted(parts, key=lambda part: -part.created_us)
        for change in reversed(part.states)
        if change.state is State.STARTED
    }
    counts = Counter(part.state for part in current)
    last_us = max(starts.values(), default=None)
    began_us = max(group.created_us, group.start_us)
    started_in_us = None if last_us is None else max(0, last_us - began_us)
    allocated_mw = math.fsum(part.mw for part in current if holds(part))
    shortfall_mw = 0.0 if group.cancelling is not None else _missing(group.mw, allocated_mw)
    return GroupState(
        state=_state(counts),
        counts={state: counts[state] for state in State if counts[state]},
        parts=len(current),
        started=len(starts),
        first_started_us=min(starts.values(), default=None),
        last_started_us=last_us,
        started_in_us=started_in_us,
        allocated_mw=allocated_mw,
        shortfall_mw=shortfall_mw,
        sentence=_sentence(len(starts), len(current), started_in_us, shortfall_mw),
    )


def _missing(mw: float, allocated_mw: float) -> float:
    # Parts are whole milliwatts. Anything less is rounding.
    missing_mw = mw - allocated_mw
    return missing_mw if abs(missing_mw) > 1e-8 else 0.0


def _state(counts: Counter[State]) -> State:
    for state in (*_PROGRESS, State.COMPLETED):
        if counts[state]:
            return state
    # A group always has a part. One whose parts the journal lost has failed.
    return max(counts, key=lambda state: (counts[state], state), default=State.FAILED)


def _sentence(started: int, parts: int, started_in_us: int | None, shortfall_mw: float) -> str:
    said = f"{started} of {parts} started"
    if started_in_us is not None:
        said += f" in {started_in_us / 1e6:.3g} s"
    return f"{said}; {shortfall_mw:.6g} MW missing" if shortfall_mw else said

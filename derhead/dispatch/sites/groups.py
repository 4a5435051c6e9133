"""An order to a whole site, and what has become of its parts: pure.

A group is one order under one id; its parts are dispatches of single assets that bear it as
``group_id``. The group has no life of its own: what it is in, is told by its parts. An asset
may have had several, when what others could not do was given to it; the one that counts is
its newest that is open, else its newest.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.transitions import ENDED, State
from derhead.dispatch.orders.order import DispatchGroup

_PROGRESS = (State.STARTED, State.RECEIVED, State.SENT, State.PENDING)
"""The states of an open group, the one that tells most first."""


@dataclass(frozen=True, slots=True)
class GroupState:
    """What a group has come to."""

    state: State
    """Open: the furthest that a part has come. Ended: ``completed`` if a part is, else what
    became of most."""
    counts: Mapping[State, int]
    """How many assets' parts are in each state; those of 0 are left out."""
    parts: int
    started: int
    """Parts that have started, whatever became of them."""
    first_started_us: int | None
    last_started_us: int | None
    started_in_us: int | None
    """From the order, or the start of its window where that is later, to the last start."""
    allocated_mw: float
    """What is held, or on its way to be, by parts that did not fail."""
    shortfall_mw: float
    """What is missing of the order, signed as the order is."""
    sentence: str
    """All that, in words."""

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def counting_parts(parts: Sequence[Dispatch]) -> list[Dispatch]:
    """The part of each asset that counts, in the order in which assets came to the group."""
    by_asset: dict[str, Dispatch] = {}
    for part in sorted(parts, key=lambda part: (part.created_us, part.id)):
        kept = by_asset.get(part.asset_id)
        # A newer one that was refused leaves the one before it in force.
        if kept is None or kept.ended or not part.ended:
            by_asset[part.asset_id] = part
    return list(by_asset.values())


def holds(part: Dispatch) -> bool:
    """Whether the part does, did or will do its share: it is open and wanted, or completed."""
    return part.state is State.COMPLETED or (not part.ended and part.cancelling is None)


def group_state(group: DispatchGroup, parts: Sequence[Dispatch]) -> GroupState:
    """What the group has come to; ``parts`` are all that bear its id."""
    counting = counting_parts(parts)
    starts = {
        part.asset_id: change.at_us
        for part in sorted(parts, key=lambda part: -part.created_us)
        for change in reversed(part.states)
        if change.state is State.STARTED
    }
    counts = Counter(part.state for part in counting)
    last_us = max(starts.values(), default=None)
    began_us = max(group.created_us, group.start_us)
    started_in_us = None if last_us is None else max(0, last_us - began_us)
    allocated_mw = math.fsum(part.mw for part in counting if holds(part))
    shortfall_mw = 0.0 if group.cancelling is not None else _missing(group.mw, allocated_mw)
    return GroupState(
        state=_state(counts),
        counts={state: counts[state] for state in State if counts[state]},
        parts=len(counting),
        started=len(starts),
        first_started_us=min(starts.values(), default=None),
        last_started_us=last_us,
        started_in_us=started_in_us,
        allocated_mw=allocated_mw,
        shortfall_mw=shortfall_mw,
        sentence=_sentence(len(starts), len(counting), started_in_us, shortfall_mw),
    )


def _missing(mw: float, allocated_mw: float) -> float:
    # Parts are whole milliwatts; what is less is how floats sum up.
    missing_mw = mw - allocated_mw
    return missing_mw if abs(missing_mw) > 1e-8 else 0.0


def _state(counts: Counter[State]) -> State:
    for state in (*_PROGRESS, State.COMPLETED):
        if counts[state]:
            return state
    # A group always has a part; one whose parts the journal lost has failed.
    return max(counts, key=lambda state: (counts[state], state), default=State.FAILED)


def _sentence(started: int, parts: int, started_in_us: int | None, shortfall_mw: float) -> str:
    said = f"{started} of {parts} started"
    if started_in_us is not None:
        said += f" in {started_in_us / 1e6:.3g} s"
    return f"{said}; {shortfall_mw:.6g} MW missing" if shortfall_mw else said

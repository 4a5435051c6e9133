"""A plan in the making: the book as it will be, and the effects that follow. Pure.

A draft reads the book and changes nothing in it. Its decisions are in its ``plan``, which is
dropped if the journal refuses it.
"""

from dataclasses import dataclass, field

from derhead.dispatch.desk.book import Book, BookChanges, OrphanedDispatch, SessionLink
from derhead.dispatch.desk.inputs import CallerRequest, NotOpen, OrderRecord, TooManyOpen
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import Event, IllegalTransition, step

MISFITS_TOLD = 3
"""Inputs of one plan that do not fit their dispatches and are logged. When full, further ones are
counted only: a Register alone may bring 8,192."""


@dataclass(frozen=True, slots=True)
class SendSetpoint:
    """Effect: queue the dispatch's setpoint on the session."""

    link: SessionLink
    dispatch_id: str


@dataclass(frozen=True, slots=True)
class SendCancel:
    """Effect: queue a Cancel on the session."""

    link: SessionLink
    dispatch_id: str
    asset_id: str
    reason: str


Effect = SendSetpoint | SendCancel


@dataclass(slots=True)
class Plan:
    """The outcome of a batch of inputs."""

    changes: BookChanges = field(default_factory=BookChanges)
    effects: list[Effect] = field(default_factory=list)
    """To be carried out in this order, once the changes are journaled."""
    full: dict[str, SessionLink] = field(default_factory=dict)
    """Sessions without room for all effects. Each says when it has room again."""
    records: list[OrderRecord] = field(default_factory=list)
    """To be journaled with the changes."""
    answers: dict[CallerRequest, tuple[Dispatch, ...] | NotOpen | TooManyOpen] = field(
        default_factory=dict
    )
    illegal: int = 0
    """Inputs that do not fit their dispatches, and change nothing."""
    misfits: list[str] = field(default_factory=list)
    """Why the first ``MISFITS_TOLD`` of the illegal inputs do not fit, for people."""


class Draft:
    """The plan so far, over the book as it was."""

    def __init__(self, book: Book, now_us: int) -> None:
        self.plan = Plan()
        self.book = book
        self.now_us = now_us
        self.changes = self.plan.changes
        self.touched: dict[str, None] = {}
        """Assets whose dispatches or holder changed."""
        self.orphaned: dict[str, SessionLink] = {}
        """Sessions whose agents hold orphaned dispatches."""
        self._new: dict[str, dict[str, None]] = {}
        self._room: dict[str, int] = {}

    def get(self, dispatch_id: str) -> Dispatch | None:
        """The dispatch if it is open."""
        planned = self.changes.dispatches.get(dispatch_id)
        if planned is None:
            return self.book.open.get(dispatch_id)
        return None if planned.ended else planned

    def of_asset(self, asset_id: str) -> list[Dispatch]:
        """The asset's open dispatches, oldest first, with those of this batch."""
        kept = [dispatch.id for dispatch in self.book.of_asset(asset_id)]
        every = (self.get(dispatch_id) for dispatch_id in (*kept, *self._new.get(asset_id, ())))
        return [dispatch for dispatch in every if dispatch is not None]

    def holder(self, asset_id: str) -> SessionLink | None:
        """The session that holds the asset."""
        if asset_id in self.changes.holders:
            return self.changes.holders[asset_id]
        return self.book.holders.get(asset_id)

    def has_left(self, asset_id: str) -> bool:
        """Whether the asset left the fleet."""
        planned = self.changes.left.get(asset_id)
        return asset_id in self.book.left if planned is None else planned

    def orphans(self, link: SessionLink) -> tuple[OrphanedDispatch, ...]:
        """The orphaned dispatches that the session's agent still has to cancel."""
        planned = self.changes.orphans.get(link.session_id)
        return self.book.orphans.get(link.session_id, ()) if planned is None else planned

    def add(self, dispatch: Dispatch) -> None:
        """Adds a dispatch that was ordered in this batch."""
        self.changes.dispatches[dispatch.id] = dispatch
        self._new.setdefault(dispatch.asset_id, {})[dispatch.id] = None
        self.touched[dispatch.asset_id] = None

    def apply(self, dispatch: Dispatch, event: Event) -> Dispatch:
        """Applies an event. An event that does not fit changes nothing, and is counted."""
        try:
            after = step(dispatch, event, self.now_us)
        except IllegalTransition as illegal:
            self.plan.illegal += 1
            if len(self.plan.misfits) < MISFITS_TOLD:
                self.plan.misfits.append(str(illegal))
            return dispatch
        if after is not dispatch:
            self.changes.dispatches[dispatch.id] = after
            self.touched[dispatch.asset_id] = None
        return after

    def take_room(self, link: SessionLink) -> bool:
        """Takes room for one more message on the session; False if there is none."""
        room = self._room.get(link.session_id)
        if room is None:
            room = link.setpoint_room
        if room <= 0:
            self.plan.full[link.session_id] = link
            return False
        self._room[link.session_id] = room - 1
        return True

"""What becomes of a batch of happenings: changes to journal, then effects. Pure.

A plan is made on the book (``book.py``) and changes nothing in it: if the journal refuses
the changes, the plan is dropped, and made anew later.

First every happening moves the dispatches that it concerns (``life/lifecycle.py``). Then each
asset that was touched is settled, if an agent holds it:

1. What is being withdrawn and may be at the agent is told to it, once a session.
2. What certainly is not at the agent is looked at, the best first: lower priority number,
   then the later order. If a better one whose window overlaps is at the agent, it is
   superseded by that one. If a better one is on its way there, it waits: should the agent
   refuse the better one, or its window pass, it goes on. Else it is sent.

So of several that overlap only the best is sent. What the agent holds, it decides itself.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from derhead.dispatch.desk.book import Book, Changes, SessionLink, Stray
from derhead.dispatch.desk.inputs import (
    AgentReport,
    Ask,
    CancelAsked,
    Due,
    Effect,
    Happening,
    HeadendStarted,
    LookAgain,
    NotOpen,
    Ordered,
    OrderRecord,
    SendCancel,
    SendSetpoint,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    TooManyOpen,
)
from derhead.dispatch.life.lifecycle import (
    CancelWanted,
    DeadlinePassed,
    Dispatch,
    Event,
    Forgotten,
    IllegalTransition,
    LinkLost,
    Sent,
    Superseded,
    created,
    next_deadline,
    step,
)
from derhead.dispatch.life.transitions import AT_AGENT, State
from derhead.dispatch.orders.order import Order, expiry_us

log = logging.getLogger(__name__)

MAX_OPEN = 256
"""Open dispatches of one asset. When full, an order for that asset is refused with 409."""

MAX_STRAYS = 1024
"""Dispatches that one agent holds, the headend does not lead, and the agent must still cancel.
When full, the desk notes no more; the agent reports them again at its next Register."""


@dataclass(slots=True)
class Plan:
    """What a batch comes to."""

    changes: Changes = field(default_factory=Changes)
    effects: list[Effect] = field(default_factory=list)
    """After the changes are journaled, in this order."""
    full: dict[str, SessionLink] = field(default_factory=dict)
    """Sessions that had no room for all; each is to say when it has."""
    records: list[OrderRecord] = field(default_factory=list)
    """To be journaled with the changes."""
    answers: dict[Ask, tuple[Dispatch, ...] | NotOpen | TooManyOpen] = field(default_factory=dict)
    orders: int = 0
    reports: int = 0
    late: int = 0
    illegal: int = 0


def make_plan(book: Book, happenings: Sequence[Happening], now_us: int) -> Plan:
    """The plan for the happenings, in their order.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    """
    planning = _Planning(book, now_us)
    for happening in happenings:
        planning.take(happening)
    planning.settle()
    planning.answer(happenings)
    return planning.plan


def rank(dispatch: Dispatch) -> tuple[int, int]:
    """Of two dispatches whose windows overlap, the one of the lower rank wins."""
    return dispatch.priority, -dispatch.created_us


def overlap(one: Dispatch, other: Dispatch, now_us: int) -> bool:
    """Whether what remains of their windows has a moment in common."""
    return one.window.remaining(now_us).overlaps(other.window)


def _start(dispatch: Dispatch) -> tuple[int, int]:
    return dispatch.start_us, dispatch.created_us


class _Planning:
    """A plan in the making."""

    def __init__(self, book: Book, now_us: int) -> None:
        self.plan = Plan()
        self._book = book
        self._now_us = now_us
        self._changes = self.plan.changes
        self._new: dict[str, dict[str, None]] = {}
        self._touched: dict[str, None] = {}
        self._told: dict[str, SessionLink] = {}
        self._room: dict[str, int] = {}

    # --- looking through what is planned at what is there ---------------------------

    def _get(self, dispatch_id: str) -> Dispatch | None:
        planned = self._changes.dispatches.get(dispatch_id)
        if planned is None:
            return self._book.open.get(dispatch_id)
        return None if planned.ended else planned

    def _of_asset(self, asset_id: str) -> list[Dispatch]:
        """The asset's open dispatches, oldest first, those of this very batch too."""
        kept = [dispatch.id for dispatch in self._book.of_asset(asset_id)]
        every = (self._get(dispatch_id) for dispatch_id in (*kept, *self._new.get(asset_id, ())))
        return [dispatch for dispatch in every if dispatch is not None]

    def _holder(self, asset_id: str) -> SessionLink | None:
        if asset_id in self._changes.holders:
            return self._changes.holders[asset_id]
        return self._book.holders.get(asset_id)

    def _apply(self, dispatch: Dispatch, event: Event) -> Dispatch:
        try:
            after = step(dispatch, event, self._now_us)
        except IllegalTransition as illegal:
            self.plan.illegal += 1
            log.warning("ignored: %s", illegal)
            return dispatch
        if after is not dispatch:
            self._changes.dispatches[dispatch.id] = after
            self._touched[dispatch.asset_id] = None
        return after

    # --- what happened --------------------------------------------------------------

    def take(self, happening: Happening) -> None:
        match happening:
            case Ordered():
                self._take_order(happening)
            case CancelAsked(dispatch_id, reason):
                dispatch = self._get(dispatch_id)
                if dispatch is None:
                    self.plan.answers[happening] = NotOpen(dispatch_id)
                else:
                    self._apply(dispatch, CancelWanted(reason))
            case AgentReport():
                self._take_report(happening)
            case SessionOpened():
                self._take_opened(happening)
            case SessionEnded(session_id):
                self._take_ended(session_id)
            case SessionHasRoom(link):
                if link.session_id in self._book.links:
                    self._touched.update(dict.fromkeys(link.granted))
                    self._told[link.session_id] = link
            case Due(dispatch_id):
                dispatch = self._get(dispatch_id)
                if dispatch is not None:
                    self._apply(dispatch, DeadlinePassed())
            case LookAgain(asset_id):
                self._touched[asset_id] = None
            case HeadendStarted():
                for dispatch in self._book.open.values():
                    self._apply(dispatch, LinkLost())

    def _take_order(self, ordered: Ordered) -> None:
        coming: dict[str, int] = {}
        for _, order in ordered.orders:
            coming[order.asset_id] = coming.get(order.asset_id, 0) + 1
        for asset_id, count in coming.items():
            if len(self._of_asset(asset_id)) + count > MAX_OPEN:
                self.plan.answers[ordered] = TooManyOpen(
                    f"asset {asset_id} has {MAX_OPEN} open dispatches at most; withdraw some, "
                    "or wait for their end"
                )
                return
        for dispatch_id, order in ordered.orders:
            dispatch = self._create(dispatch_id, order)
            self._changes.dispatches[dispatch_id] = dispatch
            self._new.setdefault(order.asset_id, {})[dispatch_id] = None
            self._touched[order.asset_id] = None
            self.plan.orders += 1
        self.plan.records += ordered.records

    def _create(self, dispatch_id: str, order: Order) -> Dispatch:
        window = order.window(self._now_us)
        dispatch = Dispatch(
            id=dispatch_id,
            asset_id=order.asset_id,
            mw=order.mw,
            created_us=self._created_us(order.asset_id),
            start_us=window.start_us,
            duration_us=window.duration_us,
            priority=order.priority,
            ramp_mw_per_s=order.ramp_mw_per_s,
            group_id=order.group_id,
            expires_us=expiry_us(order, self._now_us),
        )
        return self._expired(created(dispatch))

    def _created_us(self, asset_id: str) -> int:
        """Now, but later than the asset's open orders, also if the clock was set back: the
        later of two wins, and its agent compares the same numbers."""
        newest = max((dispatch.created_us for dispatch in self._of_asset(asset_id)), default=0)
        return max(self._now_us, newest + 1)

    def _take_report(self, report: AgentReport) -> None:
        self.plan.reports += 1
        dispatch = self._get(report.dispatch_id)
        if dispatch is None:
            self.plan.late += 1
            holder = self._holder(report.asset_id)
            if holder is not None:
                self._withdraw_stray(holder, report)
        elif dispatch.asset_id != report.asset_id:
            self.plan.late += 1
        else:
            self._apply(dispatch, report.reported)

    def _take_opened(self, opened: SessionOpened) -> None:
        """Reconciles: the agent's own reports decide, then what it lacks is sent."""
        link = opened.link
        self._changes.links[link.session_id] = link
        known = {(report.asset_id, report.dispatch_id): report for report in opened.reports}
        for asset_id in link.granted:
            self._changes.holders[asset_id] = link
            self._touched[asset_id] = None
            for dispatch in self._of_asset(asset_id):
                report = known.get((asset_id, dispatch.id))
                self._apply(dispatch, Forgotten() if report is None else report.reported)
        for report in opened.reports:
            # One that its report has just ended is in no state that could be withdrawn.
            if self._get(report.dispatch_id) is None:
                self._withdraw_stray(link, report)

    def _take_ended(self, session_id: str) -> None:
        link = self._changes.links.get(session_id) or self._book.links.get(session_id)
        if link is None:
            return
        self._changes.links[session_id] = None
        for asset_id in link.granted:
            if self._holder(asset_id) is link:
                self._changes.holders[asset_id] = None
            for dispatch in self._of_asset(asset_id):
                if dispatch.state is State.SENT and dispatch.session_id == session_id:
                    self._apply(dispatch, LinkLost())

    def _withdraw_stray(self, link: SessionLink, report: AgentReport) -> None:
        """An agent holds what nobody leads: it is told to let it go."""
        if report.reported.state not in AT_AGENT:
            return
        self._told[link.session_id] = link
        strays = self._strays(link)
        if len(strays) < MAX_STRAYS:
            stray = Stray(report.dispatch_id, report.asset_id)
            self._changes.strays[link.session_id] = (*strays, stray)

    def _strays(self, link: SessionLink) -> tuple[Stray, ...]:
        planned = self._changes.strays.get(link.session_id)
        return self._book.strays.get(link.session_id, ()) if planned is None else planned

    # --- what follows ---------------------------------------------------------------

    def settle(self) -> None:
        """Sends what is due to the agents, each asset's withdrawals before its setpoints."""
        for link in self._told.values():
            self._tell_strays(link)
        for asset_id in list(self._touched):
            holder = self._holder(asset_id)
            look = None
            if holder is not None:
                look = self._settle_asset(holder, self._of_asset(asset_id))
            if self._book.looks.get(asset_id) != look:
                self._changes.looks[asset_id] = look

    def answer(self, happenings: Iterable[Happening]) -> None:
        """Gives every ask its dispatches as they are now."""
        for happening in happenings:
            if isinstance(happening, Ask) and happening not in self.plan.answers:
                ids = (
                    [happening.dispatch_id]
                    if isinstance(happening, CancelAsked)
                    else [dispatch_id for dispatch_id, _ in happening.orders]
                )
                planned = self._changes.dispatches
                self.plan.answers[happening] = tuple(
                    planned.get(each) or self._book.open[each] for each in ids
                )

    def _tell_strays(self, link: SessionLink) -> None:
        waiting = []
        for stray in self._strays(link):
            if self._takes(link):
                reason = "the headend does not lead it"
                cancel = SendCancel(link, stray.dispatch_id, stray.asset_id, reason)
                self.plan.effects.append(cancel)
            else:
                waiting.append(stray)
        self._changes.strays[link.session_id] = tuple(waiting)

    def _settle_asset(self, link: SessionLink, dispatches: list[Dispatch]) -> int | None:
        """Sends what is due; returns when the first window ends that another waits for."""
        for dispatch in dispatches:
            if dispatch.cancelling is not None and dispatch.state is not State.PENDING:
                self._tell_cancel(link, dispatch, dispatch.cancelling)
        if not any(dispatch.certain for dispatch in dispatches):
            return None
        waited_for: list[int] = []
        better: list[Dispatch] = []
        best: list[Dispatch] = []
        for dispatch in sorted(dispatches, key=rank):
            if dispatch.cancelling is not None:
                # It is about to go, and wins over none.
                continue
            if dispatch.certain:
                rivals = [each for each in better if overlap(each, dispatch, self._now_us)]
                if self._ends_pending(dispatch, rivals):
                    continue
                if not rivals:
                    best.append(dispatch)
                ends = (each.window.end_us for each in rivals)
                waited_for += [end_us for end_us in ends if end_us is not None]
            better.append(dispatch)
        # Where room is scarce, what starts first goes first.
        for dispatch in sorted(best, key=_start):
            if self._takes(link):
                self.plan.effects.append(SendSetpoint(link, dispatch.id))
                self._apply(dispatch, Sent(link.session_id))
        return min(waited_for, default=None)

    def _ends_pending(self, dispatch: Dispatch, rivals: list[Dispatch]) -> bool:
        for rival in rivals:
            if rival.state in AT_AGENT:
                return self._apply(dispatch, Superseded(rival.id)).ended
        due = next_deadline(dispatch)
        if due is not None and due <= self._now_us:
            return self._apply(dispatch, DeadlinePassed()).ended
        return False

    def _tell_cancel(self, link: SessionLink, dispatch: Dispatch, reason: str) -> None:
        told = self._changes.cancels.get(dispatch.id) or self._book.cancels.get(dispatch.id)
        if told != link.session_id and self._takes(link):
            self._changes.cancels[dispatch.id] = link.session_id
            self.plan.effects.append(SendCancel(link, dispatch.id, dispatch.asset_id, reason))

    def _takes(self, link: SessionLink) -> bool:
        """Whether the session has room for one more, which is then taken."""
        room = self._room.get(link.session_id)
        if room is None:
            room = link.setpoint_room
        if room <= 0:
            self.plan.full[link.session_id] = link
            return False
        self._room[link.session_id] = room - 1
        return True

    def _expired(self, dispatch: Dispatch) -> Dispatch:
        """An order may come after the end of its own window."""
        due = next_deadline(dispatch)
        late = due is not None and due <= self._now_us
        return step(dispatch, DeadlinePassed(), self._now_us) if late else dispatch

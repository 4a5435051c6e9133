"""The desk's state in memory: open dispatches, which session holds which asset, and deadlines.

Pure. ``take`` applies changes that the journal has, ``note_sent_time`` dates a setpoint, and
``pop_due`` ends windows.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from derhead.dispatch.life.dispatches import Dispatch, with_sent_time
from derhead.dispatch.life.lifecycle import next_deadline
from derhead.dispatch.life.transitions import State

STALE_DEADLINES = 1000
"""Obsolete deadlines kept in addition to one for each open dispatch. When full, they are cleared
away."""


class SessionLink(Protocol):
    """The part of a live session that the desk uses."""

    @property
    def session_id(self) -> str: ...

    @property
    def granted(self) -> Sequence[str]:
        """Ids of the assets it holds."""

    @property
    def setpoint_room(self) -> int:
        """Setpoints and Cancels for which it has room now."""

    def ask_for_room_nowait(self) -> None:
        """Asks it to call ``session_has_room_nowait`` once it has room again."""

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        """Queues the setpoint for the agent."""

    def send_cancel_nowait(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        """Queues a Cancel for the agent."""


@dataclass(frozen=True, slots=True)
class OrphanedDispatch:
    """A dispatch that an agent holds and the desk does not lead. Its agent must cancel it."""

    dispatch_id: str
    asset_id: str


@dataclass(slots=True)
class BookChanges:
    """The changes that a plan makes in the book, once the journal has them."""

    dispatches: dict[str, Dispatch] = field(default_factory=dict)
    links: dict[str, SessionLink | None] = field(default_factory=dict)
    """By session; None = the session ended."""
    holders: dict[str, SessionLink | None] = field(default_factory=dict)
    """By asset; None = no session holds it."""
    cancels: dict[str, str] = field(default_factory=dict)
    """By dispatch, the session on which its Cancel is sent."""
    orphans: dict[str, tuple[OrphanedDispatch, ...]] = field(default_factory=dict)
    """By session, the dispatches whose Cancel is still to be sent."""
    left: dict[str, bool] = field(default_factory=dict)
    """By asset, whether it left the fleet; False = it joined."""
    rechecks: dict[str, int | None] = field(default_factory=dict)
    """By asset, the end of the window that other dispatches wait for; None = none waits."""


class Book:
    """The state that plans are made from."""

    def __init__(self) -> None:
        self.open: dict[str, Dispatch] = {}
        self.links: dict[str, SessionLink] = {}
        self.holders: dict[str, SessionLink] = {}
        self.cancels: dict[str, str] = {}
        """By dispatch, the session on which its Cancel was sent."""
        self.orphans: dict[str, tuple[OrphanedDispatch, ...]] = {}
        self.left: set[str] = set()
        """Assets that left the fleet since the start."""
        self.rechecks: dict[str, int] = {}
        """By asset, the end of the window that other dispatches wait for."""
        self._by_asset: dict[str, dict[str, None]] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._setpoints_mw: Mapping[str, float] = {}
        self._force_ends: dict[str, int] = {}
        """By asset, the end of the window of its dispatch in force."""
        self._first_end_us: int | None = None
        """No dispatch in force ends earlier."""

    @property
    def setpoints_mw(self) -> Mapping[str, float]:
        """MW of every dispatch in force, by asset id. A new mapping at each change."""
        return self._setpoints_mw

    def of_asset(self, asset_id: str) -> list[Dispatch]:
        """The asset's open dispatches, oldest first."""
        return [self.open[dispatch_id] for dispatch_id in self._by_asset.get(asset_id, ())]

    def in_force(self, asset_id: str, now_us: int) -> Dispatch | None:
        """The dispatch that the asset's device follows now, as far as the headend knows."""
        of_asset = self._by_asset.get(asset_id)
        # Usual, and worth a short cut: REST asks for a thousand assets at once.
        if not of_asset:
            return None
        for dispatch_id in reversed(of_asset):
            dispatch = self.open[dispatch_id]
            follows = dispatch.state is State.STARTED and dispatch.suspended is None
            if follows and not dispatch.window.is_over(now_us):
                return dispatch
        return None

    # --- time -----------------------------------------------------------------------

    def next_due_us(self) -> int | None:
        """The next time at which something changes without any input; None = never."""
        times = [*self.rechecks.values(), self._next_deadline_us(), self._first_end_us]
        return min((at for at in times if at is not None), default=None)

    def due_rechecks(self, now_us: int) -> list[str]:
        """The assets with a dispatch that waited for another one's window, which has ended.

        Settling such an asset sets the time of its next recheck.
        """
        return [asset_id for asset_id, at in self.rechecks.items() if at <= now_us]

    def _next_deadline_us(self) -> int | None:
        """The earliest valid deadline. Forgets obsolete deadlines before it."""
        while self._deadlines:
            at, dispatch_id = self._deadlines[0]
            dispatch = self.open.get(dispatch_id)
            if dispatch is not None and next_deadline(dispatch) == at:
                return at
            heapq.heappop(self._deadlines)
        return None

    def pop_due(self, now_us: int, at_most: int) -> list[str]:
        """Returns the dispatches whose deadline has passed, each of them once.

        From then on, setpoints whose windows are over are no longer in force.
        """
        self._end_windows(now_us)
        due: list[str] = []
        while len(due) < at_most:
            at = self._next_deadline_us()
            if at is None or at > now_us:
                break
            due.append(heapq.heappop(self._deadlines)[1])
        return due

    def watch(self, dispatch_id: str) -> None:
        """Notes the dispatch's deadline, if it is open and has one."""
        dispatch = self.open.get(dispatch_id)
        due = None if dispatch is None else next_deadline(dispatch)
        if due is not None:
            heapq.heappush(self._deadlines, (due, dispatch_id))
            if len(self._deadlines) > 2 * len(self.open) + STALE_DEADLINES:
                # Deadlines of ended dispatches lie a day ahead and would pile up until then.
                waiting = ((next_deadline(each), each.id) for each in self.open.values())
                self._deadlines = [(at, name) for at, name in waiting if at is not None]
                heapq.heapify(self._deadlines)

    # --- change ---------------------------------------------------------------------

    def take(self, changes: BookChanges, now_us: int) -> None:
        """Applies the changes of a plan."""
        for session_id, link in changes.links.items():
            if link is not None:
                self.links[session_id] = link
            else:
                self.links.pop(session_id, None)
                self.orphans.pop(session_id, None)
        for asset_id, holder in changes.holders.items():
            if holder is not None:
                self.holders[asset_id] = holder
            else:
                self.holders.pop(asset_id, None)
        for session_id, orphans in changes.orphans.items():
            if orphans and session_id in self.links:
                self.orphans[session_id] = orphans
            else:
                self.orphans.pop(session_id, None)
        for asset_id, has_left in changes.left.items():
            (self.left.add if has_left else self.left.discard)(asset_id)
        for asset_id, recheck_us in changes.rechecks.items():
            if recheck_us is not None:
                self.rechecks[asset_id] = recheck_us
            else:
                self.rechecks.pop(asset_id, None)
        self.cancels.update(changes.cancels)
        for dispatch in changes.dispatches.values():
            self._keep(dispatch)
        self._note_setpoints({each.asset_id for each in changes.dispatches.values()}, now_us)

    def _end_windows(self, now_us: int) -> None:
        """Ends dispatches in force whose windows are over, even if no agent has reported it."""
        if self._first_end_us is None or now_us < self._first_end_us:
            return
        over = {asset_id for asset_id, end_us in self._force_ends.items() if end_us <= now_us}
        self._note_setpoints(over, now_us)
        self._first_end_us = min(self._force_ends.values(), default=None)

    def note_sent_time(self, dispatch_id: str, at_us: int) -> None:
        """Notes when the setpoint was written to its session's stream.

        The time is journaled with the next change of the dispatch, usually its agent's report.
        A commit of its own would cost as much as the commit of the order.
        """
        dispatch = self.open.get(dispatch_id)
        if dispatch is not None:
            self.open[dispatch_id] = with_sent_time(dispatch, at_us)

    def _keep(self, dispatch: Dispatch) -> None:
        of_asset = self._by_asset.setdefault(dispatch.asset_id, {})
        if dispatch.ended:
            self.open.pop(dispatch.id, None)
            self.cancels.pop(dispatch.id, None)
            of_asset.pop(dispatch.id, None)
            if not of_asset:
                del self._by_asset[dispatch.asset_id]
            return
        before = self.open.get(dispatch.id)
        self.open[dispatch.id] = dispatch
        of_asset[dispatch.id] = None
        if before is None or next_deadline(before) != next_deadline(dispatch):
            self.watch(dispatch.id)

    def _note_setpoints(self, asset_ids: Iterable[str], now_us: int) -> None:
        noted = self._setpoints_mw
        news: dict[str, float | None] = {}
        for asset_id in asset_ids:
            dispatch = self.in_force(asset_id, now_us)
            mw = None if dispatch is None else dispatch.mw
            end_us = None if dispatch is None else dispatch.window.end_us
            if end_us is None:
                self._force_ends.pop(asset_id, None)
            else:
                self._force_ends[asset_id] = end_us
                if self._first_end_us is None or end_us < self._first_end_us:
                    self._first_end_us = end_us
            if noted.get(asset_id) != mw:
                news[asset_id] = mw
        if news:
            both = {**noted, **news}
            self._setpoints_mw = {asset: mw for asset, mw in both.items() if mw is not None}

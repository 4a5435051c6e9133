"""The dispatch desk: owns every open dispatch, and leads each through its life.

One task, one inbox. Orders, reports, sessions that come and go, and time itself are
events; the desk takes those that wait, computes what becomes of the dispatches
(``lifecycle.py``, pure), writes all changes to the journal in one commit, and only then
lets the effects happen: a setpoint goes to its session's channel, a caller gets its
answer. What is not in the journal has not happened.
"""

import heapq
import logging
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import uuid4

import trio

from derhead.dispatch.lifecycle import (
    DeadlinePassed,
    Dispatch,
    Forgotten,
    IllegalTransition,
    LinkLost,
    Reported,
    Sent,
    State,
    created,
    next_deadline,
    step,
)
from derhead.dispatch.lifecycle import Event as LifecycleEvent
from derhead.dispatch.order import Order
from derhead.errors import JournalError
from derproto.base.runtime import Runtime

log = logging.getLogger(__name__)

INBOX_EVENTS = 1024
"""Orders and reports that may wait for the desk. When full, whoever has one more waits:
an HTTP request, or a session's reader and thereby, through flow control, its agent."""

BATCH_EVENTS = 256
"""Most events decided in one go, and so written in one commit."""

PENDING_TTL_US = 900_000_000
"""How long a dispatch waits for its agent before it expires, microseconds: a setpoint that
nobody could take for a quarter of an hour is more likely wrong than wanted."""

ORDER_TIMEOUT_S = 5.0
"""How long a caller waits for the desk to take up an order before it is withdrawn."""

LOOK_AGAIN_S = 60.0
"""Longest that the desk sleeps on a deadline before it looks at the clock again."""

RETRY_S = 1.0
"""Pause before changes that the journal refused are tried again."""


class DispatchStore(Protocol):
    """What the desk needs of the journal."""

    async def write(self, *records: Dispatch) -> None:
        """Stores all of them, on disk. Raises: JournalError; then it has stored none."""

    async def open_dispatches(self) -> Sequence[Dispatch]: ...


class SessionLink(Protocol):
    """What the desk needs of a live session."""

    @property
    def session_id(self) -> str: ...

    @property
    def granted(self) -> Sequence[str]:
        """Ids of the assets it holds."""

    @property
    def setpoint_room(self) -> int:
        """How many more setpoints it takes now."""

    def ask_for_room_nowait(self) -> None:
        """Has it say ``session_has_room_nowait`` as soon as it has; there is more to send."""

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        """Queues the setpoint for the agent."""


@dataclass(frozen=True, slots=True)
class DeskStatistics:
    """Counters since the start, and what is open now."""

    open: int
    orders: int
    reports: int
    late_reports: int
    """Reports on dispatches that had ended, or that nobody ordered; they changed nothing."""
    illegal_reports: int


# --- what can reach the desk -----------------------------------------------------------


@dataclass(eq=False, slots=True)
class _Ordered:
    order: Order
    claimed: bool = False
    withdrawn: bool = False
    answered: trio.Event = field(default_factory=trio.Event)
    result: Dispatch | Exception | None = None

    def answer(self, result: Dispatch | Exception) -> None:
        self.result = result
        self.answered.set()


@dataclass(frozen=True, slots=True)
class _Opened:
    link: SessionLink
    reports: tuple[tuple[str, Reported], ...]


@dataclass(frozen=True, slots=True)
class _Ended:
    session_id: str


@dataclass(frozen=True, slots=True)
class _Room:
    link: SessionLink


@dataclass(frozen=True, slots=True)
class _Report:
    asset_id: str
    dispatch_id: str
    reported: Reported


_Item = _Ordered | _Opened | _Ended | _Room | _Report


class _Inbox:
    """A FIFO where orders and reports wait for room, and sessions' ends never do.

    When full: ``put`` waits. ``put_nowait`` does not, and is bounded by what it is used
    for: one opening, one end and one word of room a session at a time.
    """

    def __init__(self) -> None:
        self._items: deque[_Item] = deque()
        self._room = trio.lowlevel.ParkingLot()
        self._filled = trio.Event()

    async def put(self, item: _Item) -> None:
        while len(self._items) >= INBOX_EVENTS:
            await self._room.park()
        self.put_nowait(item)
        await trio.lowlevel.checkpoint()

    def put_nowait(self, item: _Item) -> None:
        self._items.append(item)
        self._filled.set()

    async def wait_filled(self) -> None:
        await self._filled.wait()

    def take_nowait(self) -> list[_Item]:
        taken = [self._items.popleft() for _ in range(min(len(self._items), BATCH_EVENTS))]
        if not self._items:
            self._filled = trio.Event()
        self._room.unpark(count=len(taken))
        return taken


@dataclass(slots=True)
class _Plan:
    """What a batch of events comes to: changes to write, then effects."""

    changed: dict[str, Dispatch] = field(default_factory=dict)
    pushes: list[tuple[SessionLink, str]] = field(default_factory=list)
    answers: list[tuple[_Ordered, str]] = field(default_factory=list)
    full: dict[str, SessionLink] = field(default_factory=dict)
    due: list[tuple[int, str]] = field(default_factory=list)


class DispatchDesk:
    """Takes orders and reports, and keeps every open dispatch.

    Resource handling: ``run`` is its one task; nothing is decided while it does not run.
    """

    def __init__(self, store: DispatchStore, runtime: Runtime) -> None:
        self._store = store
        self._wall_us = runtime.wall_us
        self._inbox = _Inbox()
        self._open: dict[str, Dispatch] = {}
        self._by_asset: dict[str, dict[str, None]] = {}
        self._links: dict[str, SessionLink] = {}
        self._holders: dict[str, SessionLink] = {}
        self._deadlines: list[tuple[int, str]] = []
        self._setpoints_mw: Mapping[str, float] = {}
        self._orders = self._reports = self._late = self._illegal = 0

    # --- from outside ---------------------------------------------------------------

    async def order(self, order: Order) -> Dispatch:
        """Takes an order, and returns its dispatch once the journal has it.

        Raises: JournalError; then there is no dispatch.
        Cancellation: an order that the desk had begun to write stands.
        """
        item = _Ordered(order)
        try:
            with trio.move_on_after(ORDER_TIMEOUT_S):
                await self._inbox.put(item)
                await item.answered.wait()
            if not item.answered.is_set():
                if not item.claimed:
                    raise JournalError("the journal does not take new records")
                await item.answered.wait()
        finally:
            # Whoever no longer waits, for any reason, no longer orders.
            item.withdrawn = not item.claimed
        if isinstance(item.result, Dispatch):
            return item.result
        raise JournalError(str(item.result)) from item.result

    def session_opened_nowait(
        self, link: SessionLink, reports: Sequence[tuple[str, Reported]]
    ) -> None:
        """An agent registered, and this is what it knows of its dispatches."""
        self._inbox.put_nowait(_Opened(link, tuple(reports)))

    def session_ended_nowait(self, session_id: str) -> None:
        """Its stream is gone: what was sent on it and not reported is pending again."""
        self._inbox.put_nowait(_Ended(session_id))

    def session_has_room_nowait(self, link: SessionLink) -> None:
        """The session takes setpoints again: what is pending for lack of room is sent."""
        self._inbox.put_nowait(_Room(link))

    async def report(self, asset_id: str, dispatch_id: str, reported: Reported) -> None:
        """An agent says what became of a dispatch. When full: waits."""
        await self._inbox.put(_Report(asset_id, dispatch_id, reported))

    def get(self, dispatch_id: str) -> Dispatch | None:
        """An open dispatch; ended ones are in the journal."""
        return self._open.get(dispatch_id)

    def in_force(self, asset_id: str) -> Dispatch | None:
        """The dispatch that the asset's device follows now, as far as the headend knows.

        Not one whose window is over: its agent, though it has not said so yet, has ended it.
        """
        of_asset = self._by_asset.get(asset_id)
        # Most assets, most of the time; REST asks for a thousand at once.
        if not of_asset:
            return None
        now_us = self._wall_us()
        for dispatch_id in reversed(of_asset):
            dispatch = self._open[dispatch_id]
            end_us = dispatch.end_us
            if dispatch.state is State.STARTED and (end_us is None or now_us < end_us):
                return dispatch
        return None

    @property
    def setpoints_mw(self) -> Mapping[str, float]:
        """MW of every dispatch in force, by asset id. A new mapping at each change: whoever
        holds one holds a moment."""
        return self._setpoints_mw

    def statistics(self) -> DeskStatistics:
        return DeskStatistics(
            open=len(self._open),
            orders=self._orders,
            reports=self._reports,
            late_reports=self._late,
            illegal_reports=self._illegal,
        )

    # --- the task -------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Loads what is open and works until cancelled.

        What was ``sent`` when the headend ended is pending again before any agent can
        register.
        """
        loaded = await self._store.open_dispatches()
        plan = _Plan()
        for dispatch in loaded:
            self._keep(dispatch)
        self._note_setpoints(loaded)
        for dispatch in loaded:
            self._apply(plan, dispatch.id, LinkLost())
        await self._carry_out(plan, [])
        task_status.started()
        while True:
            await self._wait_work()
            await self._work(self._inbox.take_nowait())

    async def _wait_work(self) -> None:
        due_us = self._next_due_us()
        wait_s = float("inf") if due_us is None else max(0, due_us - self._wall_us()) / 1e6
        # Deadlines are wall time, which may be set: look again now and then.
        wait_s = min(wait_s, LOOK_AGAIN_S)
        with trio.move_on_after(wait_s):
            await self._inbox.wait_filled()

    async def _work(self, items: list[_Item]) -> None:
        """Decides, writes, acts; what the journal refuses is tried again, orders excepted."""
        items = [item for item in items if not (isinstance(item, _Ordered) and item.withdrawn)]
        while True:
            plan = self._decide(items)
            try:
                await self._carry_out(plan, items)
                return
            except JournalError as refused:
                for due in plan.due:
                    heapq.heappush(self._deadlines, due)
                for item in items:
                    if isinstance(item, _Ordered):
                        item.answer(refused)
                items = [item for item in items if not isinstance(item, _Ordered)]
                if not items and not plan.due:
                    return
                log.warning("dispatch changes wait for the journal: %s", refused)
                await trio.sleep(RETRY_S)

    def _decide(self, items: list[_Item]) -> _Plan:
        plan = _Plan()
        links, holders = dict(self._links), dict(self._holders)
        for item in items:
            match item:
                case _Ordered():
                    item.claimed = True
                    self._decide_order(plan, item, holders)
                case _Opened():
                    self._decide_opened(plan, item, links, holders)
                case _Ended(session_id):
                    self._decide_ended(plan, session_id, links, holders)
                case _Room(link):
                    for asset_id in link.granted:
                        for dispatch_id in self._of_asset(plan, asset_id):
                            self._push(plan, dispatch_id, holders)
                case _Report(asset_id, dispatch_id, reported):
                    self._decide_report(plan, asset_id, dispatch_id, reported)
        self._decide_time(plan)
        return plan

    def _decide_order(self, plan: _Plan, item: _Ordered, holders: dict[str, SessionLink]) -> None:
        now_us = self._wall_us()
        order = item.order
        dispatch = created(
            Dispatch(
                id=str(uuid4()),
                asset_id=order.asset_id,
                mw=order.mw,
                created_us=now_us,
                start_us=now_us,
                duration_us=order.duration_us,
                priority=order.priority,
                ramp_mw_per_s=order.ramp_mw_per_s,
                expires_us=now_us + PENDING_TTL_US,
            )
        )
        plan.changed[dispatch.id] = dispatch
        plan.answers.append((item, dispatch.id))
        self._push(plan, dispatch.id, holders)

    def _decide_opened(
        self,
        plan: _Plan,
        item: _Opened,
        links: dict[str, SessionLink],
        holders: dict[str, SessionLink],
    ) -> None:
        """Reconciles: the agent's own reports decide, then what it lacks is sent."""
        link = item.link
        links[link.session_id] = link
        known = dict(item.reports)
        for asset_id in link.granted:
            holders[asset_id] = link
            for dispatch_id in self._of_asset(plan, asset_id):
                reported = known.get(dispatch_id)
                if reported is not None:
                    self._apply(plan, dispatch_id, reported)
                else:
                    self._apply(plan, dispatch_id, Forgotten())
                self._push(plan, dispatch_id, holders)

    def _decide_ended(
        self,
        plan: _Plan,
        session_id: str,
        links: dict[str, SessionLink],
        holders: dict[str, SessionLink],
    ) -> None:
        link = links.pop(session_id, None)
        if link is None:
            return
        for asset_id in link.granted:
            if holders.get(asset_id) is link:
                del holders[asset_id]
            for dispatch_id in self._of_asset(plan, asset_id):
                dispatch = self._as_planned(plan, dispatch_id)
                if dispatch.state is State.SENT and dispatch.session_id == session_id:
                    self._apply(plan, dispatch_id, LinkLost())
                    # A newer session of the agent may already be there.
                    self._push(plan, dispatch_id, holders)

    def _decide_report(
        self, plan: _Plan, asset_id: str, dispatch_id: str, reported: Reported
    ) -> None:
        self._reports += 1
        dispatch = plan.changed.get(dispatch_id) or self._open.get(dispatch_id)
        if dispatch is None or dispatch.asset_id != asset_id or dispatch.ended:
            self._late += 1
            return
        self._apply(plan, dispatch_id, reported)

    def _decide_time(self, plan: _Plan) -> None:
        now_us = self._wall_us()
        while self._deadlines and self._deadlines[0][0] <= now_us:
            due = heapq.heappop(self._deadlines)
            plan.due.append(due)
            if due[1] in self._open:
                self._apply(plan, due[1], DeadlinePassed())

    def _of_asset(self, plan: _Plan, asset_id: str) -> list[str]:
        """The asset's open dispatches, oldest first, those of this very batch too."""
        kept = self._by_asset.get(asset_id, {})
        new = [
            dispatch.id
            for dispatch in plan.changed.values()
            if dispatch.asset_id == asset_id and dispatch.id not in kept
        ]
        return [*kept, *new]

    def _as_planned(self, plan: _Plan, dispatch_id: str) -> Dispatch:
        return plan.changed.get(dispatch_id) or self._open[dispatch_id]

    def _push(self, plan: _Plan, dispatch_id: str, holders: dict[str, SessionLink]) -> None:
        """Plans to send a pending dispatch, if its asset is online and it is not too late.

        One for which the session has no room stays pending until it has.
        """
        dispatch = self._as_planned(plan, dispatch_id)
        link = holders.get(dispatch.asset_id)
        if link is None or not dispatch.certain:
            return
        if sum(1 for planned, _ in plan.pushes if planned is link) >= link.setpoint_room:
            plan.full[link.session_id] = link
            return
        due = next_deadline(dispatch)
        if due is not None and due <= self._wall_us():
            self._apply(plan, dispatch_id, DeadlinePassed())
            return
        self._apply(plan, dispatch_id, Sent(link.session_id))
        plan.pushes.append((link, dispatch_id))

    def _apply(self, plan: _Plan, dispatch_id: str, event: LifecycleEvent) -> None:
        before = self._as_planned(plan, dispatch_id)
        try:
            after = step(before, event, self._wall_us())
        except IllegalTransition as illegal:
            self._illegal += 1
            log.warning("ignored: %s", illegal)
            return
        if after is not before:
            plan.changed[dispatch_id] = after

    async def _carry_out(self, plan: _Plan, items: list[_Item]) -> None:
        """Journal first, effects second. Raises: JournalError; then nothing changed."""
        if plan.changed:
            await self._store.write(*plan.changed.values())
        for item in items:
            match item:
                case _Opened(link):
                    self._links[link.session_id] = link
                    for asset_id in link.granted:
                        self._holders[asset_id] = link
                case _Ended(session_id):
                    ended = self._links.pop(session_id, None)
                    for asset_id in ended.granted if ended is not None else ():
                        if self._holders.get(asset_id) is ended:
                            del self._holders[asset_id]
        for dispatch in plan.changed.values():
            self._keep(dispatch)
        self._note_setpoints(plan.changed.values())
        for link, dispatch_id in plan.pushes:
            link.send_setpoint_nowait(dispatch_id)
        for link in plan.full.values():
            link.ask_for_room_nowait()
        for ordered, dispatch_id in plan.answers:
            self._orders += 1
            ordered.answer(plan.changed[dispatch_id])

    def _note_setpoints(self, changed: Iterable[Dispatch]) -> None:
        setpoints_mw = dict(self._setpoints_mw)
        for asset_id in {dispatch.asset_id for dispatch in changed}:
            dispatch = self.in_force(asset_id)
            if dispatch is not None:
                setpoints_mw[asset_id] = dispatch.mw
            else:
                setpoints_mw.pop(asset_id, None)
        if setpoints_mw != self._setpoints_mw:
            self._setpoints_mw = setpoints_mw

    def _keep(self, dispatch: Dispatch) -> None:
        of_asset = self._by_asset.setdefault(dispatch.asset_id, {})
        if dispatch.ended:
            self._open.pop(dispatch.id, None)
            of_asset.pop(dispatch.id, None)
            if not of_asset:
                del self._by_asset[dispatch.asset_id]
            return
        self._open[dispatch.id] = dispatch
        of_asset[dispatch.id] = None
        due = next_deadline(dispatch)
        if due is not None:
            heapq.heappush(self._deadlines, (due, dispatch.id))

    def _next_due_us(self) -> int | None:
        """The earliest deadline that still means something; forgets the others."""
        while self._deadlines:
            at, dispatch_id = self._deadlines[0]
            dispatch = self._open.get(dispatch_id)
            if dispatch is not None and next_deadline(dispatch) == at:
                return at
            heapq.heappop(self._deadlines)
        return None

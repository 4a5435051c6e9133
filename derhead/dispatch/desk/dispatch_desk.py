"""The dispatch desk: owns every open dispatch and leads it through its life.

One task has one inbox. Its inputs are orders, withdrawals, reports, sessions that begin and end,
and deadlines. The task plans the outcome of all that wait (``planning.py``, pure), and writes the
changes to the journal in one commit. Only then does it carry out the effects: it queues setpoints
on their sessions and answers callers. A change that is not in the journal has not happened.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from typing import Protocol
from uuid import uuid4

import trio

from derhead.audit import AuditRecord
from derhead.dispatch.desk.book import Book, BookChanges, SessionLink
from derhead.dispatch.desk.dispatch_tally import DispatchStatistics, DispatchTally
from derhead.dispatch.desk.draft import Draft, Plan, SendCancel, SendSetpoint
from derhead.dispatch.desk.inbox import BATCH_EVENTS, Inbox, InboxItem, WaitingRequest
from derhead.dispatch.desk.inputs import (
    AgentReport,
    CallerRequest,
    CancelRequested,
    DeadlineDue,
    DeskInput,
    FleetChanged,
    HeadendStarted,
    NotOpen,
    OrderRecord,
    OrderRequested,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    TooManyOpen,
    WindowOver,
)
from derhead.dispatch.desk.outcome_log import log_outcome
from derhead.dispatch.desk.planning import make_plan, plan_in_steps
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.orders.order import AssetOrder
from derhead.errors import JournalError
from derproto.base.runtime import Runtime
from derproto.stdio.log_events import event_log

log = event_log(__name__)

ASK_TIMEOUT_S = 5.0
"""Time for the desk to take up an order or a withdrawal. When over, the request is taken back and
answered with 503."""

LONGEST_SLEEP_S = 60.0
"""Longest sleep before the desk reads the clock again, since the clock may have been set."""

STEPS_A_TURN = 256
"""Steps of a plan before other tasks have their turn: some 6 ms. One order to a site may take
thousands."""

RETRY_S = 1.0
"""Pause before the next attempt at changes that the journal refused."""


OnChange = Callable[[Dispatch | None, Dispatch], None]
"""Called with a dispatch before and after a change that the journal has; None = it is new."""


class DispatchStore(Protocol):
    """The part of the journal that the desk uses."""

    async def write(self, *records: Dispatch | OrderRecord) -> None:
        """Stores all records on disk. Raises: JournalError; then it has stored none."""

    async def open_dispatches(self) -> Sequence[Dispatch]: ...


class DispatchDesk:
    """Takes orders and reports, and keeps every open dispatch.

    Resource handling: ``run`` is its one task. The desk decides nothing while it does not run.
    """

    def __init__(
        self, store: DispatchStore, runtime: Runtime, on_change: OnChange = lambda *_: None
    ) -> None:
        self._store = store
        self._wall_us = runtime.wall_us
        self._inbox = Inbox()
        self._book = Book()
        self._tally = DispatchTally()
        self._on_change = on_change

    # --- from outside ---------------------------------------------------------------

    async def order(self, order: AssetOrder) -> Dispatch:
        """Takes an order, and returns its dispatch once the journal has it.

        Raises: JournalError, TooManyOpen; then there is no dispatch.
        Cancellation: an order that the desk has begun to write stands.
        """
        (dispatch,) = await self.order_all([(str(uuid4()), order)])
        return dispatch

    async def order_all(
        self, orders: Sequence[tuple[str, AssetOrder]], *records: OrderRecord
    ) -> tuple[Dispatch, ...]:
        """As ``order``, for several orders, each with the id of its dispatch.

        One commit holds all of them and the records, or nothing is ordered.
        """
        return await self._ask(OrderRequested(tuple(orders), records))

    async def flush(self) -> None:
        """Returns once every earlier order is journaled or refused.

        That includes orders of callers who have hung up since. Raises: JournalError.
        """
        await self._ask(OrderRequested(()))

    async def cancel(
        self,
        dispatch_id: str,
        reason: str,
        entry: AuditRecord | None = None,
        *,
        by: str | None = None,
    ) -> Dispatch:
        """Withdraws a dispatch, and returns it as it is then.

        ``entry`` goes into the same commit, if the withdrawal changes anything. ``by``: who
        withdraws it; None = the headend itself.

        It is ``cancelled``, or has ``cancelling`` set until its agent reports its end.

        Raises: NotOpen if the dispatch has ended or never existed; JournalError, and then the
        dispatch goes on.
        Cancellation: a withdrawal that the desk has begun to write stands.
        """
        (dispatch,) = await self._ask(CancelRequested(dispatch_id, reason, entry, by))
        return dispatch

    def session_opened_nowait(self, link: SessionLink, reports: Sequence[AgentReport]) -> None:
        """An agent registered, with reports on all the dispatches that it knows."""
        self._inbox.put_nowait(SessionOpened(link, tuple(reports)))

    def session_ended_nowait(self, session_id: str) -> None:
        """A session ended: dispatches sent on it without a report are pending again."""
        self._inbox.put_nowait(SessionEnded(session_id))

    def session_has_room_nowait(self, link: SessionLink) -> None:
        """A session takes setpoints again: those that waited for room are sent."""
        self._inbox.put_nowait(SessionHasRoom(link))

    def fleet_changed_nowait(self, joined: Sequence[str], left: Mapping[str, str | None]) -> None:
        """Assets joined the fleet or left it, each with its site. Open dispatches of those that
        left are cancelled as soon as the journal takes it."""
        self._inbox.put_nowait(FleetChanged(tuple(joined), dict(left)))

    def setpoint_written_nowait(self, dispatch_id: str) -> None:
        """The setpoint is written to its session's stream: this is the time of ``sent``."""
        now_us = self._wall_us()
        dispatch = self._book.open.get(dispatch_id)
        if dispatch is not None:
            self._tally.take_sent(dispatch, now_us)
        self._book.note_sent_time(dispatch_id, now_us)

    async def report(self, asset_id: str, dispatch_id: str, reported: Reported) -> None:
        """An agent reports on a dispatch. When full: waits."""
        await self._inbox.put(AgentReport(asset_id, dispatch_id, reported))

    def report_nowait(self, asset_id: str, dispatch_id: str, reported: Reported) -> bool:
        """As ``report``, without waiting; False if there is no room."""
        if not self._inbox.has_room:
            return False
        self._inbox.put_nowait(AgentReport(asset_id, dispatch_id, reported))
        return True

    def get(self, dispatch_id: str) -> Dispatch | None:
        """The dispatch if it is open. The journal has those that ended."""
        return self._book.open.get(dispatch_id)

    def open_dispatches(self) -> Sequence[Dispatch]:
        """All open dispatches now."""
        return tuple(self._book.open.values())

    def statistics(self) -> DispatchStatistics:
        return self._tally.statistics()

    @property
    def waiting(self) -> int:
        """Inputs in the inbox; ``INBOX_EVENTS`` is its bound."""
        return len(self._inbox)

    def of_asset(self, asset_id: str) -> Sequence[Dispatch]:
        """The asset's open dispatches, oldest first."""
        return self._book.of_asset(asset_id)

    def in_force(self, asset_id: str) -> Dispatch | None:
        """The dispatch that the asset's device follows now, as far as the headend knows.

        A suspended dispatch does not count. Nor does one whose window is over: its agent has
        ended it, even if the report has not arrived.
        """
        return self._book.in_force(asset_id, self._wall_us())

    @property
    def setpoints_mw(self) -> Mapping[str, float]:
        """MW of every dispatch in force, by asset id.

        Each change and each end of a window makes a new mapping, so that a mapping once read
        does not change.
        """
        return self._book.setpoints_mw

    async def _ask(self, ask: CallerRequest) -> tuple[Dispatch, ...]:
        request = WaitingRequest(ask)
        try:
            with trio.move_on_after(ASK_TIMEOUT_S):
                await self._inbox.put(request)
                await request.answered.wait()
            if not request.answered.is_set():
                if not request.claimed:
                    raise JournalError("the journal does not take new records")
                await request.answered.wait()
        finally:
            # A caller that no longer waits, for any reason, takes its request back.
            request.withdrawn = not request.claimed
        match request.result:
            case tuple() as dispatches:
                return dispatches
            case NotOpen() | TooManyOpen() as refusal:
                raise refusal
            case error:
                raise JournalError(str(error)) from error

    # --- the task -------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Loads the open dispatches, and works until cancelled.

        A dispatch that was ``sent`` when the headend ended is pending again before any agent
        can register.
        """
        loaded = await self._store.open_dispatches()
        now_us = self._wall_us()
        self._tally.load(loaded)
        self._book.take(BookChanges(dispatches={each.id: each for each in loaded}), now_us)
        await self._carry_out(make_plan(self._book, [HeadendStarted()], now_us), now_us)
        task_status.started()
        while True:
            await self._wait_work()
            items = self._inbox.take_nowait()
            now_us = self._wall_us()
            due = map(DeadlineDue, self._book.pop_due(now_us, BATCH_EVENTS))
            rechecks = map(WindowOver, self._book.due_rechecks(now_us))
            await self._work([*items, *due, *rechecks])

    async def _wait_work(self) -> None:
        due_us = self._book.next_due_us()
        wait_s = float("inf") if due_us is None else max(0, due_us - self._wall_us()) / 1e6
        # Deadlines are wall time, which may be set.
        wait_s = min(wait_s, LONGEST_SLEEP_S)
        with trio.move_on_after(wait_s):
            await self._inbox.wait_filled()

    async def _work(self, items: list[InboxItem]) -> None:
        """Plans, writes and acts.

        If the journal refuses, callers get the error, and all other changes are tried again.
        """
        requests = {
            item for item in items if isinstance(item, WaitingRequest) and not item.withdrawn
        }
        for request in requests:
            request.claimed = True
        while True:
            now_us = self._wall_us()
            plan = await self._plan(_inputs_of(items, requests), now_us)
            try:
                await self._carry_out(plan, now_us)
            except JournalError as refused:
                for request in requests:
                    request.answer(refused)
                requests = set()
                if not _inputs_of(items, requests):
                    return
                log.warning("changes of dispatches wait for the journal", reason=refused)
                await trio.sleep(RETRY_S)
            else:
                break
        for request in requests:
            request.answer(plan.answers[request.ask])
        for item in items:
            if isinstance(item, DeadlineDue):
                # ``pop_due`` removed its deadline; an open dispatch needs one again.
                self._book.watch(item.dispatch_id)

    async def _plan(self, inputs: Sequence[DeskInput], now_us: int) -> Plan:
        """The plan for the inputs, made in turns: only this task changes the book meanwhile."""
        draft = Draft(self._book, now_us)
        for step, _ in enumerate(plan_in_steps(draft, inputs), 1):
            if step % STEPS_A_TURN == 0:
                await trio.lowlevel.checkpoint()
        return draft.plan

    async def _carry_out(self, plan: Plan, now_us: int) -> None:
        """Journal first, effects second. Raises: JournalError; then nothing changed."""
        if plan.changes.dispatches:
            await self._store.write(*plan.changes.dispatches.values(), *plan.records)
        for dispatch in plan.changes.dispatches.values():
            before = self._book.open.get(dispatch.id)
            self._tally.take(before, dispatch)
            self._on_change(before, dispatch)
        self._book.take(plan.changes, now_us)
        log_outcome(plan)
        for effect in plan.effects:
            match effect:
                case SendSetpoint(link, dispatch_id):
                    link.send_setpoint_nowait(dispatch_id)
                case SendCancel(link, dispatch_id, asset_id, reason):
                    link.send_cancel_nowait(dispatch_id, asset_id, reason)
        for link in plan.full.values():
            link.ask_for_room_nowait()


def _inputs_of(items: Sequence[InboxItem], requests: Set[WaitingRequest]) -> list[DeskInput]:
    """The inputs in the items. Of callers' requests, only the given ones count."""
    return [
        item.ask if isinstance(item, WaitingRequest) else item
        for item in items
        if not isinstance(item, WaitingRequest) or item in requests
    ]

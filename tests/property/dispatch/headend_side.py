"""The headend's side of the pure world.

Plans and book are the real ones. In the place of the desk's task is a loop that moves only when it
is given the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from derhead.dispatch import AssetOrder, Dispatch, Reported, State
from derhead.dispatch.desk.book import Book, BookChanges
from derhead.dispatch.desk.draft import SendCancel, SendSetpoint
from derhead.dispatch.desk.inputs import (
    AgentReport,
    CancelRequested,
    DeadlineDue,
    DeskInput,
    HeadendStarted,
    OrderRequested,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    WindowOver,
)
from derhead.dispatch.desk.planning import make_plan
from derhead.dispatch.life.contract import read_report, write_cancel, write_setpoint
from derproto.der import v1
from tests.support.dispatch.record import seconds
from tests.support.epoch import T0

ASSET_ID = "0d7c0a5e-5d7a-4b8e-9f5c-6f2f9f2a8b02"

ROOM = 2
"""Setpoints and cancels that may wait for a stream: few, so that it is often full."""


class Crash(Exception):
    """The headend's process is gone."""


@dataclass
class Link:
    """A session as the headend has it."""

    session_id: str
    zero_s: float
    """When it wrote Welcome."""
    granted: Sequence[str] = (ASSET_ID,)
    waiting: list[SendSetpoint | SendCancel] = field(default_factory=list)
    """What its stream is to take; the message is worked out when it does."""
    room_wanted: bool = False

    @property
    def setpoint_room(self) -> int:
        return ROOM - len(self.waiting)

    def ask_for_room_nowait(self) -> None:
        self.room_wanted = True

    def send_setpoint_nowait(self, dispatch_id: str) -> None:
        self.waiting.append(SendSetpoint(self, dispatch_id))

    def send_cancel_nowait(self, dispatch_id: str, asset_id: str, reason: str) -> None:
        self.waiting.append(SendCancel(self, dispatch_id, asset_id, reason))


class HeadendSide:
    """One life after another; what is in ``journal`` outlives it."""

    def __init__(self) -> None:
        self.journal: dict[str, Dispatch] = {}
        self.links: dict[str, Link] = {}
        self.doom: Literal["before", "after"] | None = None
        """It will crash at its next commit, before or after what is written is durable."""
        self._book = Book()

    def start(self, now_s: float) -> None:
        """A new life."""
        self.doom = None
        self.links = {}
        self._book = Book()
        loaded = {each.id: each for each in self.journal.values() if not each.ended}
        self._book.take(BookChanges(dispatches=loaded), _us(now_s))
        self._happen(now_s, HeadendStarted())

    def order(self, now_s: float, dispatch_id: str, order: AssetOrder) -> None:
        self._happen(now_s, OrderRequested(((dispatch_id, order),)))

    def cancel(self, now_s: float, dispatch_id: str) -> None:
        if dispatch_id in self._book.open:
            self._happen(now_s, CancelRequested(dispatch_id, "withdrawn"))

    def register(
        self, now_s: float, link: Link, reports: Sequence[v1.DispatchReport], at_once: bool
    ) -> None:
        """An agent registered; an older session of it ends, in the same batch or the next."""
        older = list(self.links.values())
        self.links = {link.session_id: link}
        opened = SessionOpened(link, tuple(map(_agent_report, reports)))
        ended = [SessionEnded(each.session_id) for each in older]
        if at_once:
            self._happen(now_s, opened, *ended)
        else:
            self._happen(now_s, opened)
            for each in ended:
                self._happen(now_s, each)

    def lose(self, now_s: float, link: Link) -> None:
        """It notices that a session is gone."""
        if self.links.pop(link.session_id, None) is not None:
            self._happen(now_s, SessionEnded(link.session_id))

    def report(self, now_s: float, report: v1.DispatchReport) -> None:
        self._happen(now_s, _agent_report(report))

    def next_s(self) -> float:
        """When it has something to do by itself."""
        due_us = self._book.next_due_us()
        return float("inf") if due_us is None else seconds(due_us)

    def work(self, now_s: float) -> None:
        """Does what is due."""
        due = self._book.pop_due(_us(now_s), 8)
        rechecks = self._book.due_rechecks(_us(now_s))
        if due or rechecks:
            self._happen(now_s, *map(DeadlineDue, due), *map(WindowOver, rechecks))
            for dispatch_id in due:
                self._book.watch(dispatch_id)

    def write(self, now_s: float, link: Link, send: Callable[[v1.HeadendMessage], None]) -> None:
        """Its streams take what waits for them."""
        while link.waiting:
            intent = link.waiting.pop(0)
            match intent:
                case SendCancel(_, dispatch_id, _, reason):
                    send(v1.HeadendMessage(cancel=write_cancel(dispatch_id, 0, reason)))
                case SendSetpoint(_, dispatch_id):
                    self._write_setpoint(now_s, link, dispatch_id, send)
        if link.room_wanted:
            link.room_wanted = False
            self._happen(now_s, SessionHasRoom(link))

    def _write_setpoint(
        self, now_s: float, link: Link, dispatch_id: str, send: Callable[[v1.HeadendMessage], None]
    ) -> None:
        """As ``Session`` does."""
        dispatch = self._book.open.get(dispatch_id)
        if dispatch is None or dispatch.session_id != link.session_id or dispatch.cancelling:
            return
        session_us = round((now_s - link.zero_s) * 1e6)
        setpoint = write_setpoint(dispatch, 0, now_us=_us(now_s), session_us=session_us)
        if setpoint is None:
            late = Reported(State.EXPIRED, detail="its window ended before it could be sent")
            self._happen(now_s, AgentReport(ASSET_ID, dispatch_id, late))
        else:
            send(v1.HeadendMessage(setpoint=setpoint))

    def _happen(self, now_s: float, *inputs: DeskInput) -> None:
        """Journal first, effects second."""
        plan = make_plan(self._book, inputs, _us(now_s))
        doom, self.doom = self.doom, None
        if doom == "before":
            raise Crash
        self.journal.update(plan.changes.dispatches)
        if doom == "after":
            raise Crash
        self._book.take(plan.changes, _us(now_s))
        for effect in plan.effects:
            match effect:
                case SendSetpoint(link, dispatch_id):
                    link.send_setpoint_nowait(dispatch_id)
                case SendCancel(link, dispatch_id, asset_id, reason):
                    link.send_cancel_nowait(dispatch_id, asset_id, reason)
        for full in plan.full.values():
            full.ask_for_room_nowait()


def _us(now_s: float) -> int:
    return T0 + round(now_s * 1e6)


def _agent_report(message: v1.DispatchReport) -> AgentReport:
    read = read_report(message)
    assert not isinstance(read, str), read
    return AgentReport(ASSET_ID, *read)

"""Both sides of the pure world, and the link between them: virtual time, no task, no socket.

The link is worse than gRPC's. Within a session its messages may be lost, doubled and reordered.
Only Register and Welcome come first, since there is no session without them.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from deragent.tasks.controller import TELL_TIMEOUT_S
from deragent.uplink.messages import write_report
from derhead.dispatch import AssetOrder
from derproto.configuration.fleet import Failsafe
from derproto.der import v1
from tests.property.dispatch.agent_side import NEVER, AgentSide, DeviceSide
from tests.property.dispatch.headend_side import ASSET_ID, Crash, HeadendSide, Link
from tests.support.dispatch.record import Record, Span, Told
from tests.support.epoch import T0

ALIVE_S = 10.0
HEARTBEAT_S = 15.0
AGENT_SILENT_S = 45.0
HEADEND_SILENT_S = 30.0
RECONNECT_S = 1.0

STEP_MW = 0.001
"""Each order has MW of its own, so that the device's record tells which one it follows."""

QUIET_S = 400.0
"""Longer than any window, silence or pause of a run."""

TURNS = 10_000
"""More than any instant needs: beyond, something goes round in circles."""


@dataclass
class _Flight:
    """A message on its way."""

    due_s: float
    body: v1.HeadendMessage | v1.AgentMessage | list[v1.DispatchReport]
    """A list is Register."""


@dataclass
class _Session:
    """A stream, and what either end believes of it."""

    name: str
    out: list[_Flight] = field(default_factory=list)
    """To the headend."""
    back: list[_Flight] = field(default_factory=list)
    """To the agent."""
    link: Link | None = None
    """At the headend, once Register came."""
    heard_at_headend_s: float = 0.0
    alive_s: float = NEVER
    heartbeat_s: float = NEVER


class Together:
    """A headend, an agent, its device, and what is between them."""

    def __init__(self, failsafe: Failsafe, clock_s: float, dice: random.Random) -> None:
        self.now_s = 0.0
        self.record = Record(failsafe)
        self.transit_s = 0.0
        self.losing = self.doubling = 0.0
        """Shares of the messages that are lost, and that come twice."""
        self.jitter_s = 0.0
        """By up to how much some are later than others, and so change places."""
        self.stalled = False
        self.choked = False
        """The streams of the headend take nothing: its messages are not even worked out."""
        self.refused = False
        self.device = DeviceSide()
        self.agent = AgentSide(failsafe, self.device, clock_s)
        self.headend = HeadendSide()
        self.ids: dict[float, str] = {}
        self._dice = dice
        self._sessions: list[_Session] = []
        """Those that the headend may still hear of; the agent's own is the last."""
        self._own: _Session | None = None
        self._agent_runs = True
        self._headend_runs = True
        self._reconnect_s = 0.0
        self._upset_s: float | None = None
        self._killed_s = 0.0
        self._diskless_s = 0.0
        self._heard_s = 0.0
        self._opened_s = 0.0
        self._count = 0
        self.headend.start(0.0)
        self.run(0.0)

    # --- what may be done to it ----------------------------------------------------------

    def order(
        self,
        start_in_s: float | None,
        duration_s: float | None,
        priority: int,
        expires_in_s: float | None,
        beyond: bool,
    ) -> None:
        """``beyond`` is more than the agent lets its device do; a start before now is when the
        window of the order before ends, if that is to come."""
        if not self._headend_runs:
            return
        self._count += 1
        mw = round(self._count * STEP_MW + (5.0 if beyond else 0.0), 6)
        dispatch_id = str(UUID(int=self._count))
        order = AssetOrder(
            ASSET_ID,
            mw,
            duration_us=None if duration_s is None else round(duration_s * 1e6),
            priority=priority,
            start_us=self._start_us(start_in_s),
            expires_in_us=None if expires_in_s is None else round(expires_in_s * 1e6),
        )
        with self._mortal_headend():
            self.headend.order(self.now_s, dispatch_id, order)
        # One that was never written was never answered: nobody counts on it.
        self.ids[mw] = dispatch_id

    def _start_us(self, start_in_s: float | None) -> int | None:
        if start_in_s is None:
            return None
        now_us = T0 + round(self.now_s * 1e6)
        if start_in_s >= 0:
            return now_us + round(start_in_s * 1e6)
        last = self.headend.journal.get(str(UUID(int=self._count - 1)))
        end_us = None if last is None else last.window.end_us
        return end_us if end_us is not None and end_us > now_us else None

    def cancel(self, ago: int) -> None:
        ids = list(self.ids.values())
        if self._headend_runs and ago < len(ids):
            with self._mortal_headend():
                self.headend.cancel(self.now_s, ids[-1 - ago])

    def cut(self, who: str) -> None:
        """A connection breaks: at the agent, at the headend, or at both ends."""
        if who != "headend":
            self._leave()
        if who != "agent" and self._headend_runs:
            with self._mortal_headend():
                for session in list(self._sessions):
                    self._lose(session)

    def stall(self, on: bool) -> None:
        """No message moves; afterwards what is overdue comes at once."""
        self.stalled = on

    def upset(self, mood: str) -> None:
        """The device is ``slow``, ``refusing``, ``mute``, or ``well`` again."""
        if self._upset_s is not None:
            # What it was told meanwhile it may still be at.
            self.record.unwilling.append(Span(self._upset_s, self.now_s + TELL_TIMEOUT_S))
        self.device.mood = mood
        self._upset_s = None if mood == "well" else self.now_s

    def set_disk(self, works: bool) -> None:
        """Whether the agent's disk takes anything."""
        if works and not self.agent.disk_works:
            self.record.diskless.append(Span(self._diskless_s, self.now_s))
        elif not works and self.agent.disk_works:
            self._diskless_s = self.now_s
        self.agent.disk_works = works
        if self._agent_runs:
            self.agent.keep(self.now_s)

    def kill_headend(self, at: Literal["now", "before", "after"]) -> None:
        """Now, or at its next commit: before, or after what is written is durable."""
        if at == "now":
            self._end_headend()
        else:
            self.headend.doom = at

    def _end_headend(self) -> None:
        if self._headend_runs:
            self._headend_runs = False
            # Its host says so to the agent.
            self._leave()
            self._sessions.clear()

    def start_headend(self) -> None:
        if not self._headend_runs:
            self._headend_runs = True
            with self._mortal_headend():
                self.headend.start(self.now_s)

    def kill_agent(self) -> None:
        if self._agent_runs:
            self._leave()
            self._agent_runs = False
            self._killed_s = self.now_s

    def start_agent(self, clock_moves_s: float, new_boot: bool) -> None:
        if not self._agent_runs:
            self._agent_runs = True
            self.agent.clock_s += clock_moves_s
            if new_boot:
                self.agent.boot += "'"
            boot, clock_s = self.agent.written or (self.agent.boot, self.agent.clock_s)
            if boot != self.agent.boot and clock_s != self.agent.clock_s:
                self.record.misled_s.append(self.now_s)
            self.record.down.append(Span(self._killed_s, self.now_s))
            self.agent.start(self.now_s)

    # --- time ----------------------------------------------------------------------------

    def run(self, for_s: float) -> None:
        """All that is due in the time comes to pass, in order."""
        until_s = self.now_s + for_s
        turns, last_s = 0, self.now_s
        while (next_s := self._next_s()) <= until_s:
            self.now_s = max(self.now_s, next_s)
            turns = turns + 1 if self.now_s == last_s else 0
            last_s = self.now_s
            assert turns < TURNS, f"nothing comes to rest at {self.now_s}"
            with self._mortal_headend():
                self._turn()
        self.now_s = until_s

    def _next_s(self) -> float:
        times = [NEVER]
        if self._agent_runs:
            times += [self.agent.next_s()]
            if self._own is None and self._headend_runs and not self.refused and not self.stalled:
                times.append(self._reconnect_s)
            elif self._own is not None:
                times += [self._own.heartbeat_s, self.agent_heard_s() + HEADEND_SILENT_S]
                if self.agent.reports and self.agent.clock is not None:
                    times.append(self.now_s)
        if self._headend_runs:
            times.append(self.headend.next_s())
            for session in self._sessions:
                if session.link is not None:
                    times += [session.alive_s, session.heard_at_headend_s + AGENT_SILENT_S]
                    if not self.choked and (session.link.waiting or session.link.room_wanted):
                        times.append(self.now_s)
        if not self.stalled:
            for session in self._sessions:
                flights = [*(session.out if self._headend_runs else ()), *session.back]
                times += [flight.due_s for flight in flights]
        return min(times)

    def agent_heard_s(self) -> float:
        assert self._own is not None
        return max(self.agent.heard_s, self._opened_s)

    def _turn(self) -> None:
        """One pass over all that may be due now."""
        now_s = self.now_s
        if self._headend_runs:
            if self.headend.next_s() <= now_s:
                self.headend.work(now_s)
            for session in list(self._sessions):
                self._serve(session)
        if self._agent_runs:
            self.agent.work(now_s)
            self._keep_uplink()
        if not self.stalled:
            for session in list(self._sessions):
                self._deliver(session)

    def _serve(self, session: _Session) -> None:
        """What the headend does for a session by itself."""
        link, now_s = session.link, self.now_s
        if link is None:
            return
        if session.alive_s <= now_s:
            session.alive_s += ALIVE_S
            if not self.choked:
                session_us = round((now_s - link.zero_s) * 1e6)
                self._back(session, v1.HeadendMessage(alive=v1.Alive(session_us=session_us)))
        if not self.choked:
            self.headend.write(now_s, link, lambda message: self._back(session, message))
        if session.heard_at_headend_s + AGENT_SILENT_S <= now_s:
            self._lose(session)

    def _keep_uplink(self) -> None:
        now_s, own = self.now_s, self._own
        if own is None:
            reachable = self._headend_runs and not self.refused and not self.stalled
            if reachable and self._reconnect_s <= now_s:
                self._opened_s = now_s
                self._own = own = _Session(str(UUID(int=self._dice.getrandbits(120))))
                own.heartbeat_s = now_s + HEARTBEAT_S
                own.out.append(_Flight(now_s + self.transit_s, self.agent.register(now_s)))
                self._sessions.append(own)
            return
        if self.agent_heard_s() + HEADEND_SILENT_S <= now_s:
            self._leave()
            return
        if own.heartbeat_s <= now_s:
            own.heartbeat_s += HEARTBEAT_S
            self._out(own, v1.AgentMessage(heartbeat=v1.Heartbeat()))
        if self.agent.clock is not None:
            for report in self.agent.reports:
                self._out(own, v1.AgentMessage(dispatch_report=write_report(0, report)))
            self.agent.reports.clear()

    def _out(self, session: _Session, message: v1.AgentMessage) -> None:
        self._fly(session.out, message)

    def _back(self, session: _Session, message: v1.HeadendMessage) -> None:
        # Nothing overtakes Welcome.
        welcome_s = max((f.due_s for f in session.back if _opens(f)), default=0.0)
        self._fly(session.back, message, welcome_s)

    def _fly(
        self,
        flights: list[_Flight],
        message: v1.HeadendMessage | v1.AgentMessage,
        earliest_s: float = 0.0,
    ) -> None:
        whole = isinstance(message, v1.HeadendMessage) and message.welcome is not None
        copies = 1
        if not whole and self._dice.random() < self.losing:
            copies = 0
        elif not whole and self._dice.random() < self.doubling:
            copies = 2
        for _ in range(copies):
            jitter_s = 0.0 if whole else self._dice.choice([0.0, 0.5, 1.0]) * self.jitter_s
            due_s = max(self.now_s + self.transit_s + jitter_s, earliest_s)
            flights.append(_Flight(due_s, message))

    def _deliver(self, session: _Session) -> None:
        for flight in _due(session.out, self.now_s) if self._headend_runs else ():
            session.heard_at_headend_s = self.now_s
            body = flight.body
            if isinstance(body, list):
                self._welcome(session, body)
            elif isinstance(body, v1.AgentMessage) and body.dispatch_report is not None:
                self.headend.report(self.now_s, body.dispatch_report)
        for flight in _due(session.back, self.now_s):
            if session is not self._own or not self._agent_runs:
                continue
            assert isinstance(flight.body, v1.HeadendMessage)
            if flight.body.welcome is not None:
                assert session.link is not None
                self.record.welcomes.append((self.now_s, self.now_s - session.link.zero_s))
            if self.now_s - self._heard_s > ALIVE_S:
                self.record.silent.append(Span(self._heard_s, self.now_s))
            self._heard_s = self.now_s
            self.agent.take(flight.body, self.now_s)

    def _welcome(self, session: _Session, reports: list[v1.DispatchReport]) -> None:
        session.link = Link(session.name, self.now_s)
        session.alive_s = self.now_s + ALIVE_S
        for other in [s for s in self._sessions if s is not session and s.link is not None]:
            self._sessions.remove(other)
        self._back(
            session,
            v1.HeadendMessage(welcome=v1.Welcome(clock_us=T0 + round(self.now_s * 1e6))),
        )
        at_once = self._dice.random() < 0.5
        self.headend.register(self.now_s, session.link, reports, at_once)

    def _leave(self) -> None:
        """The agent's end of its session is gone; the headend may still hear what it said."""
        self._own = None
        self._reconnect_s = self.now_s + RECONNECT_S

    def _lose(self, session: _Session) -> None:
        """The headend's end of a session is gone."""
        if session in self._sessions:
            self._sessions.remove(session)
            if session is self._own:
                self._leave()
            if session.link is not None:
                self.headend.lose(self.now_s, session.link)

    @contextmanager
    def _mortal_headend(self) -> Iterator[None]:
        try:
            yield
        except Crash:
            self._end_headend()

    # --- the end -------------------------------------------------------------------------

    def finish(self) -> Record:
        """All is well from now on; waits until every dispatch has ended, or could have."""
        self.upset("well")
        self.stalled = self.choked = self.refused = False
        self.transit_s = self.jitter_s = self.losing = self.doubling = 0.0
        self.headend.doom = None
        self.start_headend()
        self.start_agent(0.0, new_boot=False)
        self.set_disk(True)
        self.cut("both")
        self.run(QUIET_S)
        for dispatch in list(self.headend.journal.values()):
            if dispatch.duration_us is None:
                self.headend.cancel(self.now_s, dispatch.id)
        self.run(QUIET_S)
        record = self.record
        record.ended_s = self.now_s
        record.dispatches = {
            dispatch_id: self.headend.journal[dispatch_id]
            for dispatch_id in self.ids.values()
            if dispatch_id in self.headend.journal
        }
        record.told = [
            Told(at_s, None if mw is None else self.ids.get(mw)) for at_s, mw in self.device.told
        ]
        return record


def _opens(flight: _Flight) -> bool:
    """Whether a session cannot be without it."""
    body = flight.body
    return isinstance(body, list) or (
        isinstance(body, v1.HeadendMessage) and body.welcome is not None
    )


def _due(flights: list[_Flight], now_s: float) -> list[_Flight]:
    """Takes what has arrived, in the order of arrival."""
    due = sorted((f for f in flights if f.due_s <= now_s), key=lambda flight: flight.due_s)
    flights[:] = [f for f in flights if f.due_s > now_s]
    return due

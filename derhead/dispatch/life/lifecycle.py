"""The life of a dispatch: pure decisions. No I/O, no clock, no Trio.

``step`` applies one event and returns the dispatch as it then is; an event that does not fit
its state raises ``IllegalTransition`` and changes nothing. ``transitions.py`` is the table of
all moves. The desk (``desk/dispatch_desk.py``) journals what comes out before anything else
learns of it.

What the headend may decide alone depends on what it knows. Of a dispatch that was never sent,
or whose agent came back and did not know it, it is *certain* that no device follows it: it
expires, and is cancelled, at once. Once it was sent, only its agent can tell: it stays open
until the agent reports, or for a day after its window, and has then ``failed`` for want of a
report. Delivery may repeat under the same id, since an agent applies an id once.
"""

from dataclasses import dataclass, replace
from typing import Any

from derhead.dispatch.life.transitions import AT_AGENT, ENDED, NO_REPORT, OPEN, State, is_transition
from derproto.base.windows import Window

__all__ = [
    "ENDED",
    "CancelWanted",
    "DeadlinePassed",
    "Dispatch",
    "Event",
    "Forgotten",
    "IllegalTransition",
    "LinkLost",
    "Reported",
    "Sent",
    "State",
    "StateChange",
    "Superseded",
    "created",
    "left_at",
    "next_deadline",
    "step",
]

NO_REPORT_US = 86_400_000_000
"""Time past its window that the headend waits for an agent's report: agents remember ended
dispatches for as long. When over, the dispatch is ``failed`` with NO_REPORT."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """One line of a dispatch's history."""

    state: State
    at_us: int
    """Microseconds since the epoch, by the headend's clock."""
    reason: str | None = None
    """A name of ``transitions.REASONS``, or None."""
    detail: str | None = None
    """The reason in words."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """An order to one asset, and all that became of it."""

    id: str
    """UUID."""
    asset_id: str
    mw: float
    """Active power to hold, MW; positive = generation, negative = consumption."""
    created_us: int
    start_us: int
    """Start of the window, microseconds since the epoch."""
    duration_us: int | None
    """Length of the window; None = until replaced."""
    priority: int = 128
    """0..255; the lower number wins."""
    ramp_mw_per_s: float | None = None
    group_id: str | None = None
    expires_us: int | None = None
    """A dispatch still pending then is ``expired``; None = only with its window."""
    state: State = State.PENDING
    reason: str | None = None
    detail: str | None = None
    applied_mw: float | None = None
    """What the device was told, MW, as the agent reported it."""
    session_id: str | None = None
    """The session it was last sent on, unless its agent has since come without knowing it."""
    attempts: int = 0
    """How often it was sent."""
    superseded_by: str | None = None
    """Id of the dispatch that it gave way to, once ``superseded``."""
    suspended: str | None = None
    """Why its device does not follow it although ``started``: ``LINK_SILENT`` or None."""
    interrupted_us: int = 0
    """Time of its window, so far, in which it was suspended, microseconds."""
    cancelling: str | None = None
    """Why it is being withdrawn, in words; None = it is not."""
    revision: int = 0
    """The newest of its agent's reports taken so far, as the agent counts them; 0 = none."""
    verdict: str | None = None
    """What telemetry says of it, a JSON object as text."""
    states: tuple[StateChange, ...] = ()
    """Every state it was in, in order, the present one last."""

    @property
    def window(self) -> Window:
        """When its device is to follow it, by the headend's clock."""
        return Window.lasting(self.start_us, self.duration_us)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def certain(self) -> bool:
        """Whether it is pending and its agent certainly does not hold it."""
        return self.state is State.PENDING and self.session_id is None


class IllegalTransition(Exception):
    """The event does not fit the dispatch's state; nothing was changed."""


# --- events: what happened -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """The setpoint was handed to a session's stream."""

    session_id: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The session it was sent on ended, or the headend did."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Its agent said what became of it."""

    state: State
    reason: str | None = None
    detail: str | None = None
    applied_mw: float | None = None
    superseded_by: str | None = None
    """The dispatch that it gave way to."""
    suspended: str | None = None
    interrupted_us: int = 0
    revision: int = 0
    """The agent's count of its reports on this dispatch; 0 if it does not count."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Time went by; see ``next_deadline``."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The asset's agent registered, and does not know it."""


@dataclass(frozen=True, slots=True)
class CancelWanted:
    """Someone withdraws it."""

    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """The agent holds a better dispatch of an overlapping window, and never got this one."""

    by: str


Event = Sent | LinkLost | Reported | DeadlinePassed | Forgotten | CancelWanted | Superseded


def created(dispatch: Dispatch) -> Dispatch:
    """A new dispatch with the first line of its history."""
    return replace(
        dispatch,
        state=State.PENDING,
        states=(StateChange(State.PENDING, dispatch.created_us),),
    )


def step(dispatch: Dispatch, event: Event, now_us: int) -> Dispatch:
    """The dispatch after ``event``; the same object if the event changes nothing.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    Raises: IllegalTransition.
    """
    match event:
        case Sent(session_id):
            if not dispatch.certain:
                raise IllegalTransition(f"dispatch {dispatch.id}: {dispatch.state} is not sent")
            attempts = dispatch.attempts + 1
            return _move(
                dispatch, event, State.SENT, now_us, session_id=session_id, attempts=attempts
            )
        case LinkLost():
            if dispatch.state is not State.SENT:
                return dispatch
            # It may have arrived: the session that it went with stays noted.
            return _move(dispatch, event, State.PENDING, now_us)
        case Reported():
            return _reported(dispatch, event, now_us)
        case DeadlinePassed():
            return _late(dispatch, event, now_us)
        case Forgotten():
            return _forgotten(dispatch, event, now_us)
        case CancelWanted(reason):
            if dispatch.certain:
                return _move(dispatch, event, State.CANCELLED, now_us, detail=reason)
            if dispatch.ended:
                raise IllegalTransition(f"dispatch {dispatch.id}: it has ended, {dispatch.state}")
            # The first reason stands; the agent's report will end it.
            return dispatch if dispatch.cancelling else replace(dispatch, cancelling=reason)
        case Superseded(by):
            if not dispatch.certain:
                raise IllegalTransition(f"dispatch {dispatch.id}: its agent decides what it holds")
            return _move(dispatch, event, State.SUPERSEDED, now_us, superseded_by=by)


def left_at(dispatch: Dispatch, at_us: int) -> Dispatch:
    """The dispatch with its ``sent`` dated when its setpoint was written to the stream.

    ``Sent`` is decided before the setpoint is queued, so that no setpoint can be on its way
    that the journal does not know; when it left is known after that. Not earlier than was
    decided, also if the clock was set back; nothing changes if it is no longer ``sent``.
    """
    *before, last = dispatch.states
    if last.state is not State.SENT or at_us <= last.at_us:
        return dispatch
    return replace(dispatch, states=(*before, replace(last, at_us=at_us)))


def next_deadline(dispatch: Dispatch) -> int | None:
    """When ``DeadlinePassed`` will end it, microseconds since the epoch, or None.

    What certainly is not at its agent expires with its window or its time to live. All else
    is its agent's to end, who was told the time that remains; an agent that never says so
    is waited for a day longer. One without end that its agent holds has no deadline.
    """
    end_us = dispatch.window.end_us
    limits = [at for at in (end_us, dispatch.expires_us) if at is not None]
    if dispatch.ended:
        return None
    if dispatch.certain:
        return min(limits, default=None)
    if end_us is not None:
        return end_us + NO_REPORT_US
    if dispatch.state in AT_AGENT or not limits:
        return None
    return limits[0] + NO_REPORT_US


def _late(dispatch: Dispatch, event: DeadlinePassed, now_us: int) -> Dispatch:
    due = next_deadline(dispatch)
    if due is None or now_us < due:
        return dispatch
    if dispatch.certain:
        return _move(dispatch, event, State.EXPIRED, now_us)
    detail = "its agent did not say what became of it"
    return _move(dispatch, event, State.FAILED, now_us, NO_REPORT, detail)


def _forgotten(dispatch: Dispatch, event: Forgotten, now_us: int) -> Dispatch:
    if dispatch.ended or dispatch.certain:
        return dispatch
    if dispatch.state in AT_AGENT:
        detail = "its agent restarted and no longer holds it"
        return _move(dispatch, event, State.FAILED, now_us, NO_REPORT, detail)
    # Now it is certain, and what waited for that is done at once.
    free = replace(dispatch, session_id=None)
    if dispatch.cancelling is not None:
        return _move(free, event, State.CANCELLED, now_us, detail=dispatch.cancelling)
    due = next_deadline(replace(free, state=State.PENDING))
    if due is not None and now_us >= due:
        return _move(free, event, State.EXPIRED, now_us)
    return free if free.state is State.PENDING else _move(free, event, State.PENDING, now_us)


def _reported(dispatch: Dispatch, report: Reported, now_us: int) -> Dispatch:
    """An agent's word, in whatever order its reports come.

    An older one than was seen, by its revision, changes nothing; nor does one from before
    the present state (a resend after a broken stream), or one on an ended dispatch.
    """
    if report.state in (State.PENDING, State.SENT):
        raise IllegalTransition(f"an agent cannot report {report.state}")
    if dispatch.ended or 0 < report.revision <= dispatch.revision or _behind(dispatch, report):
        return dispatch
    said: dict[str, Any] = {
        "applied_mw": dispatch.applied_mw if report.applied_mw is None else report.applied_mw,
        "detail": report.detail,
        "superseded_by": report.superseded_by if report.state is State.SUPERSEDED else None,
        "suspended": report.suspended if report.state is State.STARTED else None,
        "interrupted_us": max(dispatch.interrupted_us, report.interrupted_us),
        "revision": max(dispatch.revision, report.revision),
    }
    if report.state is not dispatch.state:
        return _move(dispatch, report, report.state, now_us, report.reason, **said)
    after = replace(dispatch, **said)
    return dispatch if after == dispatch else after


def _behind(dispatch: Dispatch, report: Reported) -> bool:
    return report.state in OPEN and OPEN.index(report.state) < OPEN.index(dispatch.state)


def _move(
    dispatch: Dispatch,
    event: Event,
    to: State,
    now_us: int,
    reason: str | None = None,
    detail: str | None = None,
    **more: Any,
) -> Dispatch:
    """The dispatch in its next state, with a line of history and ``more`` of its fields."""
    name = type(event).__name__
    if not is_transition(dispatch.state, name, to):
        raise IllegalTransition(
            f"dispatch {dispatch.id}: {dispatch.state} cannot become {to} by {name}"
        )
    change = StateChange(to, now_us, reason, detail)
    return replace(
        dispatch,
        state=to,
        reason=reason,
        detail=detail,
        states=(*dispatch.states, change),
        **{"suspended": None, **more},
    )

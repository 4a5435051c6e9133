"""The life of a dispatch: pure decisions. No I/O, no clock, no Trio.

``TRANSITIONS`` is the whole state machine: what may follow what. ``step`` applies one
event and returns the dispatch as it then is; an event that does not fit its state raises
``IllegalTransition`` and changes nothing. The desk (``desk.py``) journals what comes out
before anything else learns of it.

Where the states come from: IEEE 2030.5-2018 table 27, response types 1 received, 2 started,
3 completed, 6 cancelled, 7 superseded, 252-254 rejected and expired; ``pending`` and
``sent`` are the headend's own side of the link. Reasons are DNP3's (IEEE 1815) control
status codes.

A dispatch whose stream or headend is lost in ``sent`` is ``pending`` again under its own
id: delivery may repeat, since the agent applies an id once.
"""

from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """Where a dispatch is."""

    PENDING = "pending"
    """Durable in the journal; the agent is not connected."""
    SENT = "sent"
    """Handed to the agent's stream; no word from the agent yet."""
    RECEIVED = "received"
    """The agent holds it."""
    STARTED = "started"
    """The device took it."""
    COMPLETED = "completed"
    """Its window ended."""
    REJECTED = "rejected"
    """The agent or the device will not."""
    FAILED = "failed"
    """The device should have, and could not."""
    SUPERSEDED = "superseded"
    """It gave way to another dispatch of its asset."""
    CANCELLED = "cancelled"
    """It was withdrawn."""
    EXPIRED = "expired"
    """Its window or its time to live ended before it reached the device."""


ENDED = frozenset(
    {
        State.COMPLETED,
        State.REJECTED,
        State.FAILED,
        State.SUPERSEDED,
        State.CANCELLED,
        State.EXPIRED,
    }
)
"""States that nothing follows."""

_AGENT_SIDE = frozenset({State.RECEIVED, State.STARTED}) | ENDED

TRANSITIONS: dict[State, frozenset[State]] = {
    # An agent may report on a dispatch that the headend believes pending: it was sent,
    # the stream broke, and the report of what became of it comes with the next Register.
    State.PENDING: frozenset({State.SENT}) | _AGENT_SIDE,
    State.SENT: frozenset({State.PENDING}) | _AGENT_SIDE,
    State.RECEIVED: frozenset({State.STARTED}) | ENDED,
    State.STARTED: ENDED - {State.REJECTED, State.EXPIRED},
    **{state: frozenset() for state in ENDED},
}
"""The states that may follow each state."""


@dataclass(frozen=True, slots=True)
class StateChange:
    """One line of a dispatch's history."""

    state: State
    at_us: int
    """Microseconds since the epoch, by the headend's clock."""
    reason: str | None = None
    """A name of ``der.v1.DispatchReason``, upper case, or None."""
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
    """The session it was last sent on."""
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
    def end_us(self) -> int | None:
        """End of the window, exclusive; None = no end."""
        return None if self.duration_us is None else self.start_us + self.duration_us

    @property
    def ended(self) -> bool:
        return self.state in ENDED


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


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Time went by; see ``next_deadline``."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Its agent came back and no longer knows a dispatch that it had received."""


Event = Sent | LinkLost | Reported | DeadlinePassed | Forgotten


def created(dispatch: Dispatch) -> Dispatch:
    """A new dispatch with the first line of its history."""
    return replace(
        dispatch,
        state=State.PENDING,
        states=(StateChange(State.PENDING, dispatch.created_us),),
    )


def step(dispatch: Dispatch, event: Event, now_us: int) -> Dispatch:
    """The dispatch after ``event``; the same object if the event changes nothing.

    A report that repeats the present state, or comes from before it (a resend after a
    broken stream), changes nothing.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    Raises: IllegalTransition.
    """
    match event:
        case Sent(session_id):
            sent = _move(dispatch, State.SENT, now_us)
            return replace(sent, session_id=session_id, attempts=dispatch.attempts + 1)
        case LinkLost():
            if dispatch.state is not State.SENT:
                return dispatch
            return replace(_move(dispatch, State.PENDING, now_us), session_id=None)
        case Reported():
            return _reported(dispatch, event, now_us)
        case DeadlinePassed():
            due = next_deadline(dispatch)
            if due is None or now_us < due:
                return dispatch
            return _move(dispatch, State.EXPIRED, now_us)
        case Forgotten():
            if dispatch.state not in (State.RECEIVED, State.STARTED):
                return dispatch
            return _move(
                dispatch,
                State.FAILED,
                now_us,
                reason="NO_REPORT",
                detail="the agent restarted and no longer holds it",
            )


def next_deadline(dispatch: Dispatch) -> int | None:
    """When ``DeadlinePassed`` will change something, microseconds since the epoch, or None.

    Only a dispatch not yet sent expires by the headend's clock; one on its way is the
    agent's to end, who was told the time that remains.
    """
    if dispatch.state is not State.PENDING:
        return None
    limits = [at for at in (dispatch.end_us, dispatch.expires_us) if at is not None]
    return min(limits, default=None)


_PROGRESS = {State.PENDING: 0, State.SENT: 1, State.RECEIVED: 2, State.STARTED: 3}


def _reported(dispatch: Dispatch, report: Reported, now_us: int) -> Dispatch:
    if report.state in (State.PENDING, State.SENT):
        raise IllegalTransition(f"an agent cannot report {report.state}")
    if dispatch.ended or report.state is dispatch.state:
        return dispatch
    behind = _PROGRESS.get(report.state, 9) < _PROGRESS[dispatch.state]
    if behind:
        return dispatch
    moved = _move(dispatch, report.state, now_us, report.reason, report.detail)
    applied = report.applied_mw if report.applied_mw is not None else dispatch.applied_mw
    return replace(moved, applied_mw=applied)


def _move(
    dispatch: Dispatch,
    to: State,
    now_us: int,
    reason: str | None = None,
    detail: str | None = None,
) -> Dispatch:
    if to not in TRANSITIONS[dispatch.state]:
        raise IllegalTransition(f"dispatch {dispatch.id}: {dispatch.state} cannot become {to}")
    change = StateChange(to, now_us, reason, detail)
    return replace(
        dispatch, state=to, reason=reason, detail=detail, states=(*dispatch.states, change)
    )

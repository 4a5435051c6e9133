"""How events change a dispatch: pure decisions over the table of transitions.

``step`` applies one event and returns the dispatch after it. An event that does not fit the state
raises ``IllegalTransition`` and changes nothing. ``transitions.py`` has the table of all moves. The
desk journals a changed dispatch before anyone else sees it.

The headend decides alone only where it knows enough:

- A dispatch is certainly at no agent if it was never sent, or if its agent then registered without
  knowing it. The headend ends such a dispatch at once, as ``expired`` or ``cancelled``.
- Only the agent knows what became of a dispatch that was sent. The dispatch stays open until the
  agent reports. If no report comes, it has ``failed`` a day after its window.
- A dispatch whose asset left the fleet is ``cancelled`` at once. Its agent is told when it
  registers again.

A dispatch may be delivered several times under one id, since an agent applies an id once.
"""

from dataclasses import dataclass, replace
from typing import Any

from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.transitions import AT_AGENT, NO_REPORT, OPEN, State, is_transition

NO_REPORT_US = 86_400_000_000
"""How long after a dispatch's window the headend waits for a report: agents remember ended
dispatches as long. When over, the dispatch is ``failed`` with NO_REPORT."""

REMOVED = "its asset was removed from assets.yaml"
"""The detail of a dispatch that ended with its asset, and the reason that its agent is told."""


class IllegalTransition(Exception):
    """The event does not fit the state of the dispatch. Nothing was changed."""


# --- events: what happened -------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """The setpoint is queued on a session."""

    session_id: str


@dataclass(frozen=True, slots=True)
class LinkLost:
    """The session that the dispatch was sent on ended, or the headend ended."""


@dataclass(frozen=True, slots=True)
class Reported:
    """The agent reported a state."""

    state: State
    reason: str | None = None
    detail: str | None = None
    applied_mw: float | None = None
    superseded_by: str | None = None
    """The id of the dispatch that superseded it."""
    suspended: str | None = None
    interrupted_us: int = 0
    revision: int = 0
    """The number of this report, as the agent counts its reports on the dispatch; 0 = it does
    not count."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """Time has passed; see ``next_deadline``."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The asset's agent registered and does not know the dispatch."""


@dataclass(frozen=True, slots=True)
class CancelWanted:
    """A caller withdraws the dispatch."""

    reason: str
    """Why, in words."""
    by: str | None = None
    """Who withdraws it; None = the headend itself."""


@dataclass(frozen=True, slots=True)
class Superseded:
    """The agent holds a better dispatch whose window overlaps, and never received this one."""

    by: str


@dataclass(frozen=True, slots=True)
class AssetRemoved:
    """The asset left the fleet: no agent's report on it counts any more."""


Event = (
    Sent
    | LinkLost
    | Reported
    | DeadlinePassed
    | Forgotten
    | CancelWanted
    | Superseded
    | AssetRemoved
)


def step(dispatch: Dispatch, event: Event, now_us: int) -> Dispatch:
    """The dispatch after ``event``; the same object if the event changes nothing.

    Units: ``now_us`` in microseconds since the epoch, by the headend's clock.
    Raises: IllegalTransition.
    """
    match event:
        case Sent(session_id):
            if not dispatch.at_no_agent:
                raise IllegalTransition(
                    f"dispatch {dispatch.id}: {dispatch.state}, so its agent may hold it"
                )
            attempts = dispatch.attempts + 1
            return _move(
                dispatch, event, State.SENT, now_us, session_id=session_id, attempts=attempts
            )
        case LinkLost():
            if dispatch.state is not State.SENT:
                return dispatch
            # The setpoint may have arrived, so its session stays noted.
            return _move(dispatch, event, State.PENDING, now_us)
        case Reported():
            return _reported(dispatch, event, now_us)
        case DeadlinePassed():
            return _late(dispatch, event, now_us)
        case Forgotten():
            return _forgotten(dispatch, event, now_us)
        case CancelWanted(reason, by):
            if dispatch.at_no_agent:
                return _move(
                    dispatch, event, State.CANCELLED, now_us, detail=reason, withdrawn_by=by
                )
            if dispatch.ended:
                raise IllegalTransition(f"dispatch {dispatch.id}: it has ended, {dispatch.state}")
            # The first reason stands, and the agent's report will end the dispatch.
            if dispatch.cancelling:
                return dispatch
            return replace(dispatch, cancelling=reason, withdrawn_by=by)
        case Superseded(by):
            if not dispatch.at_no_agent:
                raise IllegalTransition(f"dispatch {dispatch.id}: only its agent ends it now")
            return _move(dispatch, event, State.SUPERSEDED, now_us, superseded_by=by)
        case AssetRemoved():
            return _move(dispatch, event, State.CANCELLED, now_us, detail=REMOVED)


def next_deadline(dispatch: Dispatch) -> int | None:
    """When ``DeadlinePassed`` ends the dispatch, microseconds since the epoch; None = never.

    A dispatch that certainly no agent holds expires with its window or its time to wait. For any
    other dispatch, the headend waits for the agent's report until a day after the window. A
    dispatch has no deadline if its agent holds it and its window has no end.
    """
    if dispatch.ended:
        return None
    end_us = dispatch.window.end_us
    expires_us = dispatch.expires_us
    if dispatch.at_no_agent:
        return min((at for at in (end_us, expires_us) if at is not None), default=None)
    if end_us is not None:
        return end_us + NO_REPORT_US
    if dispatch.state in AT_AGENT or expires_us is None:
        return None
    return expires_us + NO_REPORT_US


def _late(dispatch: Dispatch, event: DeadlinePassed, now_us: int) -> Dispatch:
    due = next_deadline(dispatch)
    if due is None or now_us < due:
        return dispatch
    if dispatch.at_no_agent:
        return _move(dispatch, event, State.EXPIRED, now_us)
    detail = "the agent did not report how the dispatch ended"
    return _move(dispatch, event, State.FAILED, now_us, NO_REPORT, detail)


def _forgotten(dispatch: Dispatch, event: Forgotten, now_us: int) -> Dispatch:
    if dispatch.ended or dispatch.at_no_agent:
        return dispatch
    if dispatch.state in AT_AGENT:
        detail = "its agent restarted and no longer holds it"
        return _move(dispatch, event, State.FAILED, now_us, NO_REPORT, detail)
    # Certainly no agent holds it now, so a withdrawal or expiry that waited for that is done now.
    free = replace(dispatch, session_id=None)
    if dispatch.cancelling is not None:
        return _move(free, event, State.CANCELLED, now_us, detail=dispatch.cancelling)
    due = next_deadline(replace(free, state=State.PENDING))
    if due is not None and now_us >= due:
        return _move(free, event, State.EXPIRED, now_us)
    return free if free.state is State.PENDING else _move(free, event, State.PENDING, now_us)


def _reported(dispatch: Dispatch, report: Reported, now_us: int) -> Dispatch:
    """Takes an agent's report. Reports may arrive in any order.

    A report of an open state changes nothing if its revision is not above the newest. Nor does it
    if its state lies before the present one, as when the report is repeated after a broken stream.

    A report of an end counts at any revision. No report follows it, and an agent whose disk failed
    before a restart counts on from an older revision. Nothing changes a dispatch that has ended.
    """
    if report.state in (State.PENDING, State.SENT):
        raise IllegalTransition(f"an agent cannot report {report.state}")
    older = report.state in OPEN and 0 < report.revision <= dispatch.revision
    if dispatch.ended or older or _behind(dispatch, report):
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
    """The dispatch in its next state, with a new entry of its history and ``more`` fields."""
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

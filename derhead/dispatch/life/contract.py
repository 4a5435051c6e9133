"""Translates between a dispatch and the messages of ``der.v1``. Pure."""

import math
from uuid import UUID

from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.life.transitions import State
from derproto.der.v1 import (
    Cancel,
    DispatchReason,
    DispatchReport,
    DispatchState,
    Setpoint,
    Suspension,
)

_STATES = {reported: State[reported.name] for reported in DispatchState if reported.value}
_REASONS = {reason: reason.name for reason in DispatchReason if reason.value}
_SUSPENSIONS = {suspension: suspension.name for suspension in Suspension if suspension.value}
_MAX_DETAIL = 256
_MAX_INTERRUPTED_US = 10**16
"""Longest interruption that the headend believes: three centuries."""


def read_report(report: DispatchReport) -> tuple[str, Reported] | str:
    """The id of a dispatch and its agent's report, or what is wrong with the message."""
    dispatch_id = _uuid(report.dispatch_id)
    if dispatch_id is None:
        return f"dispatch_report.dispatch_id: {report.dispatch_id[:64]!r} is not a UUID"
    state = _STATES.get(report.state)
    if state is None:
        return f"dispatch_report.state: {int(report.state)} is not a state an agent reports"
    applied = report.applied_mw
    return dispatch_id, Reported(
        state=state,
        reason=_REASONS.get(report.reason),
        detail=report.detail[:_MAX_DETAIL] or None,
        applied_mw=applied if applied is not None and math.isfinite(applied) else None,
        superseded_by=_uuid(report.superseded_by),
        suspended=_SUSPENSIONS.get(report.suspended),
        interrupted_us=min(report.interrupted_us, _MAX_INTERRUPTED_US),
        revision=report.revision,
    )


def write_setpoint(
    dispatch: Dispatch, asset_index: int, *, now_us: int, session_us: int
) -> Setpoint | None:
    """The message that sends ``dispatch`` to its agent; None if it is too late.

    The message's two relative times count from ``session_us``, the headend's time since Welcome.
    So a message that waits in a stalled link never lengthens the window.

    Units: ``now_us`` microseconds since the epoch, ``session_us`` microseconds.
    """
    window = dispatch.window
    if dispatch.ended or window.is_over(now_us):
        return None
    return Setpoint(
        dispatch_id=dispatch.id,
        asset_index=asset_index,
        mw=dispatch.mw,
        priority=dispatch.priority,
        start_delay_us=max(0, window.start_us - now_us),
        remaining_us=None if window.end_us is None else window.end_us - now_us,
        sent_at_session_us=session_us,
        ramp_mw_per_s=dispatch.ramp_mw_per_s,
        ordered_us=dispatch.created_us,
        start_us=window.start_us,
        end_us=window.end_us or 0,
    )


def write_cancel(dispatch_id: str, asset_index: int, reason: str) -> Cancel:
    """The message that withdraws a dispatch."""
    return Cancel(dispatch_id=dispatch_id, asset_index=asset_index, reason=reason[:_MAX_DETAIL])


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None

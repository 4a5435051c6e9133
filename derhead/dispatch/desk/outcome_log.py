"""Log lines about the outcome of a plan. Pure."""

import logging

from derhead.dispatch.desk.draft import Plan
from derhead.dispatch.life.transitions import State

log = logging.getLogger(__name__)


def log_outcome(plan: Plan) -> None:
    """Logs each dispatch that failed, and one line about all reports that do not fit."""
    for dispatch in plan.changes.dispatches.values():
        if dispatch.state in (State.REJECTED, State.FAILED):
            why = ": ".join(filter(None, (dispatch.reason, dispatch.detail))) or "no reason"
            log.warning(
                "dispatch %s of %s %s: %s", dispatch.id, dispatch.asset_id, dispatch.state, why
            )
    if plan.illegal:
        more = ["and others"] if plan.illegal > len(plan.misfits) else []
        log.warning(
            "%d reports that do not fit their dispatches change nothing: %s",
            plan.illegal,
            "; ".join([*plan.misfits, *more]),
        )

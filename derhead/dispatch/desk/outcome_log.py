"""Log lines about the outcome of a plan. Pure."""

from derhead.dispatch.desk.draft import Plan
from derhead.dispatch.life.transitions import State
from derproto.stdio.log_events import event_log

log = event_log(__name__)

ENDS_TOLD = 50
"""Ends of dispatches of one plan that are logged one by one, some 2 ms. When full, a line counts
the rest: an order to a large site has thousands of parts."""


def log_outcome(plan: Plan) -> None:
    """Logs each dispatch that ended, and one line about all reports that do not fit."""
    ended = [each for each in plan.changes.dispatches.values() if each.ended]
    for dispatch in ended[:ENDS_TOLD]:
        failed = dispatch.state in (State.REJECTED, State.FAILED)
        (log.warning if failed else log.info)(
            "dispatch ended",
            dispatch=dispatch.id,
            asset=dispatch.asset_id,
            state=dispatch.state.value,
            reason=dispatch.reason,
            detail=dispatch.detail,
        )
    if len(ended) > ENDS_TOLD:
        log.info("more dispatches ended at the same time", dispatches=len(ended) - ENDS_TOLD)
    if plan.illegal:
        more = ["and others"] if plan.illegal > len(plan.misfits) else []
        log.warning(
            "reports that do not fit their dispatches change nothing",
            reports=plan.illegal,
            reason="; ".join([*plan.misfits, *more]),
        )

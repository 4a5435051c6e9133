"""How far a dispatch has come: of two versions of a dispatch, the further one stays. Pure.

Versions may arrive in any order. A spool that was away for long holds old ones, and so does the
journal of a headend that another one replaced. SQL compares a version with the stored one by its
*progress*, a tuple that never falls in the life of a dispatch (``lifecycle.step``):

1. whether it has ended;
2. how far its agent has come with it: ``started``, ``received``, or neither;
3. the revision of its agent's newest report;
4. how often it was sent, because a lost link makes a ``sent`` dispatch ``pending`` again;
5. after so many times: ``sent``, ``pending`` with a session that may have delivered it, ``pending``
   at no agent;
6. whether it is being withdrawn;
7. how long it was interrupted.

Two headends may have ended the same dispatch differently. Then the end that is stored stays, as in
the life of a dispatch: nothing changes a dispatch that has ended.
"""

from derhead.dispatch import State
from derhead.history.sql.listings import OVER


def _progress(of: str) -> str:
    return (
        f"(CASE WHEN {of}.state IN ({OVER}) THEN 1 ELSE 0 END,"
        f" CASE {of}.state WHEN '{State.STARTED.value}' THEN 2"
        f" WHEN '{State.RECEIVED.value}' THEN 1 ELSE 0 END,"
        f" {of}.revision, {of}.attempts,"
        f" CASE WHEN {of}.state <> '{State.PENDING.value}' THEN 0"
        f" WHEN {of}.session_id IS NOT NULL THEN 1 ELSE 2 END,"
        f" CASE WHEN {of}.cancelling IS NULL THEN 0 ELSE 1 END,"
        f" {of}.interrupted_us)"
    )


NOT_BEHIND = (
    f"{_progress('excluded')} >= {_progress('dispatches')}"
    f" AND (dispatches.state NOT IN ({OVER}) OR excluded.state = dispatches.state)"
)
"""In ``ON CONFLICT DO UPDATE``, for both engines: whether the new version may replace the stored
one. Of two equally far versions, the one that arrives later stays."""

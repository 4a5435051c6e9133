"""Decides what agents are sent after a batch of inputs. Pure.

The desk settles each touched asset that a session holds, in two steps:

1. For a dispatch that is being withdrawn and may be at the agent, the desk sends a Cancel, once a
   session.
2. The desk goes through the dispatches that are certainly not at the agent, best first: lower
   priority number, then later order. If a better one whose window overlaps is at the agent, it
   supersedes the dispatch. If such a better one is on its way, the dispatch waits until the agent
   refuses that one or its window passes. If there is no better one, the dispatch is sent.

So of several dispatches that overlap, the desk sends only the best. The agent decides about those
that it holds.
"""

from collections.abc import Iterator

from derhead.dispatch.desk.book import SessionLink
from derhead.dispatch.desk.draft import Draft, SendCancel, SendSetpoint
from derhead.dispatch.life.dispatches import Dispatch
from derhead.dispatch.life.lifecycle import (
    REMOVED,
    DeadlinePassed,
    Sent,
    Superseded,
    next_deadline,
)
from derhead.dispatch.life.transitions import AT_AGENT, State


def rank(dispatch: Dispatch) -> tuple[int, int]:
    """The lower rank wins between two dispatches whose windows overlap."""
    return dispatch.priority, -dispatch.created_us


def overlap(one: Dispatch, other: Dispatch, now_us: int) -> bool:
    """Whether the rest of their windows overlaps."""
    return one.window.remaining(now_us).overlaps(other.window)


def settle(draft: Draft) -> Iterator[None]:
    """Sends agents what is due: for each asset, first the Cancels, then the setpoints.

    Yields after each asset.
    """
    for link in draft.orphaned.values():
        _cancel_orphans(draft, link)
        yield
    for asset_id in list(draft.touched):
        holder = draft.holder(asset_id)
        recheck_us = None
        if holder is not None:
            recheck_us = _settle_asset(draft, holder, draft.of_asset(asset_id))
        if draft.book.rechecks.get(asset_id) != recheck_us:
            draft.changes.rechecks[asset_id] = recheck_us
        yield


def _cancel_orphans(draft: Draft, link: SessionLink) -> None:
    waiting = []
    for orphan in draft.orphans(link):
        if draft.take_room(link):
            gone = draft.has_left(orphan.asset_id)
            reason = REMOVED if gone else "the headend has no such open dispatch"
            cancel = SendCancel(link, orphan.dispatch_id, orphan.asset_id, reason)
            draft.plan.effects.append(cancel)
        else:
            waiting.append(orphan)
    draft.changes.orphans[link.session_id] = tuple(waiting)


def _settle_asset(draft: Draft, link: SessionLink, dispatches: list[Dispatch]) -> int | None:
    """Sends what is due. Returns the end of the first window that a dispatch waits for."""
    for dispatch in dispatches:
        if dispatch.cancelling is not None and dispatch.state is not State.PENDING:
            _send_cancel(draft, link, dispatch, dispatch.cancelling)
    if not any(dispatch.at_no_agent for dispatch in dispatches):
        return None
    waited_for: list[int] = []
    better: list[Dispatch] = []
    best: list[Dispatch] = []
    for dispatch in sorted(dispatches, key=rank):
        if dispatch.cancelling is not None:
            # A dispatch that is being withdrawn supersedes no other.
            continue
        if dispatch.at_no_agent:
            rivals = [each for each in better if overlap(each, dispatch, draft.now_us)]
            if _ends_pending(draft, dispatch, rivals):
                continue
            if not rivals:
                best.append(dispatch)
            ends = (each.window.end_us for each in rivals)
            waited_for += [end_us for end_us in ends if end_us is not None]
        better.append(dispatch)
    # If room is scarce, the dispatch that starts first goes first.
    for dispatch in sorted(best, key=_start):
        if draft.take_room(link):
            draft.plan.effects.append(SendSetpoint(link, dispatch.id))
            draft.apply(dispatch, Sent(link.session_id))
    return min(waited_for, default=None)


def _ends_pending(draft: Draft, dispatch: Dispatch, rivals: list[Dispatch]) -> bool:
    for rival in rivals:
        if rival.state in AT_AGENT:
            return draft.apply(dispatch, Superseded(rival.id)).ended
    due_us = next_deadline(dispatch)
    if due_us is not None and due_us <= draft.now_us:
        return draft.apply(dispatch, DeadlinePassed()).ended
    return False


def _send_cancel(draft: Draft, link: SessionLink, dispatch: Dispatch, reason: str) -> None:
    cancels = draft.changes.cancels
    told = cancels.get(dispatch.id) or draft.book.cancels.get(dispatch.id)
    if told != link.session_id and draft.take_room(link):
        cancels[dispatch.id] = link.session_id
        cancel = SendCancel(link, dispatch.id, dispatch.asset_id, reason)
        draft.plan.effects.append(cancel)


def _start(dispatch: Dispatch) -> tuple[int, int]:
    return dispatch.start_us, dispatch.created_us

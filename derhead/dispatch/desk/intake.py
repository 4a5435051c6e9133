"""How each input changes the dispatches that it concerns. Pure."""

from collections.abc import Iterator

from derhead.audit import NOBODY_KNOWN, AuditAction, AuditRecord, audit_record
from derhead.dispatch.desk.book import OrphanedDispatch, SessionLink
from derhead.dispatch.desk.draft import Draft
from derhead.dispatch.desk.inputs import (
    AgentReport,
    CancelRequested,
    DeadlineDue,
    DeskInput,
    FleetChanged,
    HeadendStarted,
    NotOpen,
    OrderRequested,
    SessionEnded,
    SessionHasRoom,
    SessionOpened,
    TooManyOpen,
    WindowOver,
)
from derhead.dispatch.life.dispatches import Dispatch, created
from derhead.dispatch.life.lifecycle import (
    AssetRemoved,
    CancelWanted,
    DeadlinePassed,
    Forgotten,
    LinkLost,
    next_deadline,
    step,
)
from derhead.dispatch.life.transitions import AT_AGENT, State
from derhead.dispatch.orders.order import AssetOrder, expiry_us

MAX_OPEN = 256
"""Open dispatches of one asset. When full, an order for that asset is refused with 409."""

MAX_ORPHANS = 1024
"""Orphaned dispatches that one agent must still cancel.
When full, the desk notes no more; the agent reports them again at its next Register."""


def take(draft: Draft, item: DeskInput) -> Iterator[None]:
    """Takes one input into the draft. Yields after each step: an order, an asset, a report."""
    match item:
        case OrderRequested():
            yield from _take_order(draft, item)
        case CancelRequested():
            _take_cancel(draft, item)
        case AgentReport():
            _take_report(draft, item)
        case SessionOpened():
            yield from _take_opened(draft, item)
        case SessionEnded(session_id):
            _take_ended(draft, session_id)
        case SessionHasRoom(link):
            if link.session_id in draft.book.links:
                draft.touched.update(dict.fromkeys(link.granted))
                draft.orphaned[link.session_id] = link
        case DeadlineDue(dispatch_id):
            dispatch = draft.get(dispatch_id)
            if dispatch is not None:
                draft.apply(dispatch, DeadlinePassed())
        case WindowOver(asset_id):
            draft.touched[asset_id] = None
        case FleetChanged(joined, left):
            draft.changes.left.update(dict.fromkeys(joined, False) | dict.fromkeys(left, True))
            for asset_id, site_id in left.items():
                for dispatch in draft.of_asset(asset_id):
                    _end_removed(draft, dispatch, site_id)
                yield
        case HeadendStarted():
            for dispatch in draft.book.open.values():
                draft.apply(dispatch, LinkLost())
                yield
    yield


def _take_cancel(draft: Draft, request: CancelRequested) -> None:
    dispatch = draft.get(request.dispatch_id)
    if dispatch is None:
        draft.plan.answers[request] = NotOpen(request.dispatch_id)
        return
    after = draft.apply(dispatch, CancelWanted(request.reason, request.by))
    if request.entry is not None and after is not dispatch:
        entry = request.entry.of_change(_withdrawal(dispatch), _withdrawal(after))
        draft.plan.records.append(entry)


def _end_removed(draft: Draft, dispatch: Dispatch, site_id: str | None) -> None:
    """Ends a dispatch whose asset left the fleet, with an entry of the audit trail."""
    after = draft.apply(dispatch, AssetRemoved())
    entry = audit_record(
        AuditAction.CANCELLATION,
        NOBODY_KNOWN,
        draft.now_us,
        target=dispatch.id,
        site_id=site_id,
        detail=after.detail,
    )
    asset = {"asset_id": dispatch.asset_id}
    entry = entry.of_change(asset | _withdrawal(dispatch), asset | _withdrawal(after))
    draft.plan.records.append(entry)


def _withdrawal(dispatch: Dispatch) -> dict[str, object]:
    """What a withdrawal changes."""
    return {"state": dispatch.state.value, "cancelling": dispatch.cancelling}


def _take_order(draft: Draft, request: OrderRequested) -> Iterator[None]:
    coming: dict[str, int] = {}
    for _, order in request.orders:
        coming[order.asset_id] = coming.get(order.asset_id, 0) + 1
    for asset_id, count in coming.items():
        if len(draft.of_asset(asset_id)) + count > MAX_OPEN:
            draft.plan.answers[request] = TooManyOpen(
                f"asset {asset_id} would have more than {MAX_OPEN} open dispatches; withdraw "
                "some of them, or order again when some have ended"
            )
            return
    draft.plan.records += request.records
    for dispatch_id, order in request.orders:
        dispatch = _create(draft, dispatch_id, order)
        draft.add(dispatch)
        if draft.has_left(order.asset_id) and not dispatch.ended:
            # The order was on its way while the asset was removed.
            _end_removed(draft, dispatch, _site_of(request))
        yield


def _site_of(request: OrderRequested) -> str | None:
    """The site of an order, by its entry of the audit trail."""
    entries = (each for each in request.records if isinstance(each, AuditRecord))
    return next((entry.site_id for entry in entries), None)


def _create(draft: Draft, dispatch_id: str, order: AssetOrder) -> Dispatch:
    now_us = draft.now_us
    window = order.window(now_us)
    dispatch = created(
        Dispatch(
            id=dispatch_id,
            asset_id=order.asset_id,
            mw=order.mw,
            created_us=_created_us(draft, order.asset_id),
            start_us=window.start_us,
            duration_us=window.duration_us,
            priority=order.priority,
            ramp_mw_per_s=order.ramp_mw_per_s,
            group_id=order.group_id,
            ordered_by=order.ordered_by,
            expires_us=expiry_us(order, now_us),
        )
    )
    # An order may arrive after the end of its own window.
    due_us = next_deadline(dispatch)
    late = due_us is not None and due_us <= now_us
    return step(dispatch, DeadlinePassed(), now_us) if late else dispatch


def _created_us(draft: Draft, asset_id: str) -> int:
    """Now, but later than the asset's open dispatches, even if the clock was set back.

    The later of two orders wins, and the agent compares the same numbers.
    """
    newest_us = max((dispatch.created_us for dispatch in draft.of_asset(asset_id)), default=0)
    return max(draft.now_us, newest_us + 1)


def _take_report(draft: Draft, report: AgentReport) -> None:
    dispatch = draft.get(report.dispatch_id)
    if dispatch is None:
        holder = draft.holder(report.asset_id)
        if holder is not None:
            _note_orphan(draft, holder, report)
    elif dispatch.asset_id == report.asset_id:
        draft.apply(dispatch, report.reported)


def _take_opened(draft: Draft, opened: SessionOpened) -> Iterator[None]:
    """Reconciles: the agent's reports decide, and the agent is sent what it lacks."""
    link = opened.link
    draft.changes.links[link.session_id] = link
    known = {(report.asset_id, report.dispatch_id): report for report in opened.reports}
    for asset_id in link.granted:
        draft.changes.holders[asset_id] = link
        draft.touched[asset_id] = None
        for dispatch in draft.of_asset(asset_id):
            report = known.get((asset_id, dispatch.id))
            draft.apply(dispatch, Forgotten() if report is None else report.reported)
            yield
        yield
    for report in opened.reports:
        # A dispatch that its report has just ended is no longer at the agent.
        if draft.get(report.dispatch_id) is None:
            _note_orphan(draft, link, report)
        yield


def _take_ended(draft: Draft, session_id: str) -> None:
    link = draft.changes.links.get(session_id) or draft.book.links.get(session_id)
    if link is None:
        return
    draft.changes.links[session_id] = None
    for asset_id in link.granted:
        if draft.holder(asset_id) is link:
            draft.changes.holders[asset_id] = None
        for dispatch in draft.of_asset(asset_id):
            if dispatch.state is State.SENT and dispatch.session_id == session_id:
                draft.apply(dispatch, LinkLost())


def _note_orphan(draft: Draft, link: SessionLink, report: AgentReport) -> None:
    """Notes an orphaned dispatch, which the agent must cancel."""
    if report.reported.state not in AT_AGENT:
        return
    draft.orphaned[link.session_id] = link
    orphans = draft.orphans(link)
    if len(orphans) < MAX_ORPHANS:
        orphan = OrphanedDispatch(report.dispatch_id, report.asset_id)
        draft.changes.orphans[link.session_id] = (*orphans, orphan)

"""``/dispatch``: takes orders, shows dispatches, withdraws them."""

from contextlib import suppress
from typing import Protocol

from quart import Blueprint, Response
from werkzeug.routing import BaseConverter

from derhead.api.answering.callers import current_caller, current_fleet, current_sender
from derhead.api.answering.lookups import (
    find_asset,
    find_site,
    find_visible,
    read_query,
    unknown_dispatch,
)
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.api.answering.replies import HttpProblem, reply
from derhead.api.routes.ordering import OrderingParts, reply_group, take_order
from derhead.audit import NOBODY_KNOWN, AuditAction, Caller
from derhead.dispatch import Dispatch, FoundGroup, NotOpen, State, Verdict, group_state
from derhead.errors import JournalError
from derhead.history import Page, PageRequest
from derhead.shapes import FIELDS, PAGE, RANGE, DispatchJson, columns_of, dispatch_shape
from derproto.stdio.log_events import event_log

log = event_log(__name__)

WITHDRAWN = "withdrawn by its caller"
"""The reason of a dispatch that its caller deleted."""


class DispatchId(BaseConverter):
    """The last part of a dispatch's path.

    ``history`` never matches, whatever the method: ``/dispatch/history`` is a path of its own.
    """

    regex = "(?!history$)[^/]+"


class DispatchParts(OrderingParts, Protocol):
    """The part of the headend that these endpoints use."""

    async def verdict_so_far(self, dispatch: Dispatch) -> Verdict | None:
        """The verdict by the newest telemetry; None if there is none. Raises: JournalError."""

    async def cancel(
        self, dispatch_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> Dispatch:
        """Withdraws a dispatch: it ends at once, or is ``cancelling`` until its agent reports.

        Raises: NotOpen if the dispatch has ended or never was; JournalError if it goes on.
        """

    async def cancel_group(
        self, group_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> FoundGroup | None:
        """Withdraws the open parts of a group; None if there is no such group.

        Raises: NotOpen if all parts have ended; JournalError if the caller may try again.
        """


def dispatch_routes(headend: DispatchParts, long: LongAnswers) -> Blueprint:
    """Endpoints that take orders and show dispatches."""
    routes = Blueprint("dispatch", __name__)

    @routes.post("/dispatch")
    async def order() -> Response:
        return await take_order(headend)

    @routes.get("/dispatch/history")
    async def list_dispatches() -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS, "asset_id", "site_id", "state"))
        asset = None if query.asset is None else find_asset(query.asset)
        site = None if query.site is None else find_site(query.site)
        among: list[str] | None = None
        if site is not None:
            among = [each.id for each in current_fleet().assets_of(site.id)]
        elif asset is None and current_sender().is_limited:
            among = list(current_fleet().assets)

        async def ask(page: PageRequest) -> Page[Dispatch]:
            return await headend.history.dispatch_history(
                page,
                asset_id=None if asset is None else asset.id,
                asset_ids=among,
                states=query.states,
            )

        return await reply_history(
            PagedHistory(ask, dispatch_shape, columns_of(DispatchJson)), query, long
        )

    @routes.get("/dispatch/<dispatch:dispatch_id>")
    async def show_dispatch(dispatch_id: str) -> Response:
        read_query(())
        found = await find_visible(headend.history, dispatch_id.lower())
        if not isinstance(found, Dispatch):
            return await reply_group(*found)
        measurable = found.verdict is None and (found.ended or found.state is State.STARTED)
        so_far = await headend.verdict_so_far(found) if measurable else None
        return reply(dispatch_shape(found, so_far))

    @routes.delete("/dispatch/<dispatch:dispatch_id>")
    async def withdraw_dispatch(dispatch_id: str) -> Response:
        try:
            return await withdraw(dispatch_id)
        except HttpProblem as refused:
            log.info(
                "withdrawal refused",
                dispatch=dispatch_id[:80],
                status=refused.status,
                reason=refused.detail,
                by=current_caller().known_as,
            )
            await note_refused(dispatch_id, refused.status, refused.detail)
            raise
        except JournalError as failed:
            # The entry waits until the journal stores again. The app logs the failure.
            await note_refused(dispatch_id, 503, str(failed))
            raise

    async def note_refused(dispatch_id: str, status: int, why: str) -> None:
        headend.audit.note(
            AuditAction.WITHDRAWAL_REFUSED,
            current_caller(),
            str(status),
            target=dispatch_id,
            site_id=await site_of(dispatch_id),
            detail=why,
        )

    async def site_of(dispatch_id: str) -> str | None:
        """The site of a dispatch or group that the sender may see; otherwise the sender's own."""
        with suppress(HttpProblem, JournalError):
            found = await find_visible(headend.history, dispatch_id.lower())
            if not isinstance(found, Dispatch):
                return found[0].site_id
            asset = current_fleet().assets.get(found.asset_id)
            return None if asset is None else asset.site_id
        return current_sender().sole_site

    async def withdraw(dispatch_id: str) -> Response:
        read_query(())
        if current_sender().is_limited:
            await find_visible(headend.history, dispatch_id.lower())
        # This works on a full disk too: its remaining room is for running dispatches.
        try:
            dispatch = await headend.cancel(dispatch_id.lower(), WITHDRAWN, current_caller())
        except NotOpen:
            return await withdraw_ended_or_group(dispatch_id)
        log.info(
            "dispatch withdrawn",
            dispatch=dispatch.id,
            asset=dispatch.asset_id,
            by=current_caller().known_as,
        )
        return reply(dispatch_shape(dispatch), 200 if dispatch.ended else 202)

    async def withdraw_ended_or_group(dispatch_id: str) -> Response:
        ended = await headend.history.dispatch(dispatch_id.lower())
        if ended is not None:
            raise HttpProblem(409, f"the dispatch has ended: it is {ended.state}")
        try:
            found = await headend.cancel_group(dispatch_id.lower(), WITHDRAWN, current_caller())
        except NotOpen:
            raise HttpProblem(409, "the dispatch has ended: all its parts have ended") from None
        if found is None:
            raise unknown_dispatch(dispatch_id)
        log.info(
            "group withdrawn",
            group=found[0].id,
            site=found[0].site_id,
            by=current_caller().known_as,
        )
        ended_now = group_state(*found).ended
        return await reply_group(*found, 200 if ended_now else 202)

    return routes

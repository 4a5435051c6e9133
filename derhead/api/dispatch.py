"""``/dispatch``: the one thing that callers can ask for, and what became of it."""

from quart import Blueprint, Response
from werkzeug.routing import BaseConverter

from derhead.api.answers import DispatchJson
from derhead.api.dispatch_shapes import dispatch_shape, group_shape
from derhead.api.lookups import find_asset, find_site, read_query
from derhead.api.ordering import take_order
from derhead.api.params import FIELDS, PAGE, RANGE
from derhead.api.past import LongAnswers, Past, reply_past
from derhead.api.replies import Refused, reply
from derhead.api.tables import columns_of
from derhead.api.view import HeadendView
from derhead.dispatch import Dispatch, NotOpen, State, group_state
from derhead.history import Page, PageRequest

WITHDRAWN = "withdrawn by its caller"
"""Why a dispatch ends that was deleted."""


class DispatchId(BaseConverter):
    """The last part of a dispatch's path; ``history`` is a path of its own, for all methods."""

    regex = "(?!history$)[^/]+"


def dispatch_routes(view: HeadendView, long: LongAnswers) -> Blueprint:
    """Endpoints that take orders and show dispatches."""
    routes = Blueprint("dispatch", __name__)

    @routes.post("/dispatch")
    async def order() -> Response:
        read_query(())
        return await take_order(view)

    @routes.get("/dispatch/history")
    async def list_dispatches() -> Response:
        query = read_query((*RANGE, *PAGE, *FIELDS, "asset_id", "site_id", "state"))
        asset = None if query.asset is None else find_asset(view.fleet, query.asset)
        site = None if query.site is None else find_site(view.fleet, query.site)
        of_site = None if site is None else [each.id for each in view.fleet.assets_of(site.id)]

        async def ask(page: PageRequest) -> Page[Dispatch]:
            return await view.history.dispatch_history(
                page,
                asset_id=None if asset is None else asset.id,
                asset_ids=of_site,
                states=query.states,
            )

        return await reply_past(Past(ask, dispatch_shape, columns_of(DispatchJson)), query, long)

    @routes.get("/dispatch/<dispatch:dispatch_id>")
    async def show_dispatch(dispatch_id: str) -> Response:
        read_query(())
        dispatch = await view.history.dispatch(dispatch_id.lower())
        if dispatch is not None:
            measurable = dispatch.verdict is None and (
                dispatch.ended or dispatch.state is State.STARTED
            )
            so_far = await view.verdict_so_far(dispatch) if measurable else None
            return reply(dispatch_shape(dispatch, so_far))
        found = await view.history.group(dispatch_id.lower())
        if found is not None:
            return reply(group_shape(*found))
        raise _unknown(dispatch_id)

    @routes.delete("/dispatch/<dispatch:dispatch_id>")
    async def withdraw_dispatch(dispatch_id: str) -> Response:
        read_query(())
        # Also on a full disk: what room there is, is for what runs.
        try:
            dispatch = await view.cancel(dispatch_id.lower(), WITHDRAWN)
        except NotOpen:
            return await withdraw_ended_or_group(dispatch_id)
        return reply(dispatch_shape(dispatch), 200 if dispatch.ended else 202)

    async def withdraw_ended_or_group(dispatch_id: str) -> Response:
        ended = await view.history.dispatch(dispatch_id.lower())
        if ended is not None:
            raise Refused(409, f"the dispatch has ended, it is {ended.state}")
        try:
            found = await view.cancel_group(dispatch_id.lower(), WITHDRAWN)
        except NotOpen:
            raise Refused(409, "the dispatch has ended, all its parts have") from None
        if found is None:
            raise _unknown(dispatch_id)
        ended_now = group_state(*found).ended
        return reply(group_shape(*found), 200 if ended_now else 202)

    return routes


def _unknown(dispatch_id: str) -> Refused:
    return Refused(404, f"no dispatch has the id {dispatch_id[:80]!r}")

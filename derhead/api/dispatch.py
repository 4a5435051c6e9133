"""``/dispatch``: the one thing that callers can ask for, and what became of it."""

from quart import Blueprint, Response, request

from derhead.api.jsonbody import BadJson, parse_json
from derhead.api.lookups import find_asset, read_query
from derhead.api.params import PAGE, RANGE
from derhead.api.replies import Refused, reply, reply_items
from derhead.api.shapes import dispatch_shape
from derhead.api.view import HeadendView
from derhead.dispatch import (
    BadOrder,
    Dispatch,
    NotOpen,
    Order,
    TooManyOpen,
    UnknownAsset,
    parse_order,
)
from derhead.errors import JournalError

WITHDRAWN = "withdrawn by its caller"
"""Why a dispatch ends that was deleted."""


def dispatch_routes(view: HeadendView) -> Blueprint:
    """Endpoints that take orders and show dispatches."""
    routes = Blueprint("dispatch", __name__)

    async def read_order() -> Order:
        kind = request.mimetype
        if kind != "application/json" and not kind.endswith("+json"):
            sent = f"{kind[:80]!r} is" if kind else "a body without Content-Type is"
            raise Refused(415, f"{sent} not understood; send Content-Type: application/json")
        body = parse_json(await request.get_data(cache=True, as_text=False, parse_form_data=False))
        if isinstance(body, BadJson):
            raise Refused(400, body.detail)
        order = parse_order(body, view.fleet, view.wall_us())
        match order:
            case UnknownAsset(asset):
                detail = f"no asset has the id or name {asset[:80]!r}; GET /assets lists them"
                raise Refused(404, detail, [("/asset_id", detail)])
            case BadOrder(problems):
                raise Refused(422, "the order cannot be used; nothing was dispatched", problems)
            case Order():
                return order

    async def find_dispatch(dispatch_id: str) -> Dispatch:
        dispatch = await view.history.dispatch(dispatch_id.lower())
        if dispatch is None:
            raise Refused(404, f"no dispatch has the id {dispatch_id[:80]!r}")
        return dispatch

    @routes.post("/dispatch")
    async def take_order() -> Response:
        read_query(())
        order = await read_order()
        failing = view.failing()
        if failing is not None:
            raise JournalError(failing)
        try:
            dispatch = await view.order(order)
        except TooManyOpen as full:
            raise Refused(409, str(full)) from full
        return reply(
            dispatch_shape(dispatch), 201, headers={"Location": f"/dispatch/{dispatch.id}"}
        )

    @routes.get("/dispatch/history")
    async def list_dispatches() -> Response:
        query = read_query((*RANGE, *PAGE, "asset_id", "state"))
        asset = None if query.asset is None else find_asset(view.fleet, query.asset)
        page = await view.history.dispatch_history(
            asset_id=None if asset is None else asset.id,
            state=query.state,
            from_us=query.from_us,
            to_us=query.to_us,
            limit=query.limit,
            cursor=query.cursor,
        )
        return await reply_items(map(dispatch_shape, page.items), page.next_cursor)

    @routes.get("/dispatch/<dispatch_id>")
    async def show_dispatch(dispatch_id: str) -> Response:
        read_query(())
        return reply(dispatch_shape(await find_dispatch(dispatch_id)))

    @routes.delete("/dispatch/<dispatch_id>")
    async def withdraw_dispatch(dispatch_id: str) -> Response:
        read_query(())
        failing = view.failing()
        if failing is not None:
            raise JournalError(failing)
        try:
            dispatch = await view.cancel(dispatch_id.lower(), WITHDRAWN)
        except NotOpen:
            ended = await find_dispatch(dispatch_id)
            raise Refused(409, f"the dispatch has ended, it is {ended.state}") from None
        return reply(dispatch_shape(dispatch), 200 if dispatch.ended else 202)

    return routes

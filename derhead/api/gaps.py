"""``/telemetry/{asset}/gaps``: where an asset's history has holes, and why."""

from quart import Blueprint, Response

from derhead.api.lookups import find_asset, read_query
from derhead.api.params import PAGE, RANGE
from derhead.api.replies import reply_items
from derhead.api.shapes import gap_shape
from derhead.api.view import HeadendView


def gap_routes(view: HeadendView) -> Blueprint:
    """The endpoint that shows gaps."""
    routes = Blueprint("gaps", __name__)

    @routes.get("/telemetry/<asset>/gaps")
    async def list_gaps(asset: str) -> Response:
        found = find_asset(view.fleet, asset)
        query = read_query((*RANGE, *PAGE))
        page = await view.history.gaps(
            found.id,
            from_us=query.from_us,
            to_us=query.to_us,
            limit=query.limit,
            cursor=query.cursor,
        )
        return await reply_items(map(gap_shape, page.items), page.next_cursor)

    return routes

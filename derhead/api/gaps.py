"""``/telemetry/{asset}/gaps``: where an asset's history has holes, and why."""

from functools import partial

from quart import Blueprint, Response

from derhead.api.answers import GapJson
from derhead.api.lookups import find_asset, read_query
from derhead.api.params import FIELDS, PAGE, RANGE
from derhead.api.past import LongAnswers, Past, reply_past
from derhead.api.shapes import gap_shape
from derhead.api.tables import columns_of
from derhead.api.view import HeadendView


def gap_routes(view: HeadendView, long: LongAnswers) -> Blueprint:
    """The endpoint that shows gaps."""
    routes = Blueprint("gaps", __name__)

    @routes.get("/telemetry/<asset>/gaps")
    async def list_gaps(asset: str) -> Response:
        found = find_asset(view.fleet, asset)
        query = read_query((*RANGE, *PAGE, *FIELDS))
        ask = partial(view.history.gaps, found.id)
        return await reply_past(Past(ask, gap_shape, columns_of(GapJson)), query, long)

    return routes

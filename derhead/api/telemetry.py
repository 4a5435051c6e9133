"""``/telemetry``: what assets measure, now and before."""

from quart import Blueprint, Response

from derhead.api.latest import LatestTexts
from derhead.api.lookups import find_asset, read_query
from derhead.api.params import PAGE, RANGE
from derhead.api.replies import reply_items, reply_text
from derhead.api.shapes import Json, bucket_shape, telemetry_shape
from derhead.api.view import HeadendView
from derhead.telemetry import Sample


def telemetry_routes(view: HeadendView, latest: LatestTexts) -> Blueprint:
    """Endpoints that show telemetry."""
    routes = Blueprint("telemetry", __name__)

    @routes.get("/telemetry")
    async def list_latest() -> Response:
        read_query(())
        return reply_text(*await latest.all())

    @routes.get("/telemetry/<asset>")
    async def show_latest(asset: str) -> Response:
        read_query(())
        return reply_text(*latest.one(find_asset(view.fleet, asset)))

    @routes.get("/telemetry/<asset>/history")
    async def list_history(asset: str) -> Response:
        found = find_asset(view.fleet, asset)
        query = read_query((*RANGE, *PAGE, "step"))
        if query.step_us is not None:
            buckets = await view.history.telemetry_buckets(
                found.id,
                step_us=query.step_us,
                from_us=query.from_us,
                to_us=query.to_us,
                limit=query.limit,
                cursor=query.cursor,
            )
            return await reply_items(map(bucket_shape, buckets.items), buckets.next_cursor)
        page = await view.history.telemetry_history(
            found.id,
            from_us=query.from_us,
            to_us=query.to_us,
            limit=query.limit,
            cursor=query.cursor,
        )

        def past(sample: Sample) -> Json:
            return telemetry_shape(
                found,
                sample,
                setpoint_mw=sample.setpoint_mw,
                now_us=view.wall_us(),
                telemetry_period_ms=view.telemetry_period_ms,
            )

        return await reply_items(map(past, page.items), page.next_cursor)

    return routes

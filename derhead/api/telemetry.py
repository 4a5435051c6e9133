"""``/telemetry``: what assets measure, now and before."""

from functools import partial

from quart import Blueprint, Response

from derhead.api.answers import BucketJson, SampleJson, TelemetryJson
from derhead.api.latest_texts import LatestTexts
from derhead.api.lookups import find_asset, read_query
from derhead.api.params import FIELDS, PAGE, RANGE
from derhead.api.past import LongAnswers, Past, reply_past
from derhead.api.present import reply_now, wants_csv
from derhead.api.replies import reply_text
from derhead.api.shapes import bucket_shape, telemetry_shape
from derhead.api.tables import columns_of
from derhead.api.view import HeadendView
from derhead.telemetry import Bucket, Sample
from derproto.base.fleet import Asset


def telemetry_routes(view: HeadendView, latest: LatestTexts, long: LongAnswers) -> Blueprint:
    """Endpoints that show telemetry."""
    routes = Blueprint("telemetry", __name__)

    @routes.get("/telemetry")
    async def list_latest() -> Response:
        query = read_query(FIELDS)
        if query.fields is None and not wants_csv():
            return reply_text(*await latest.all())
        shapes = (
            telemetry_shape(
                asset,
                view.latest.get(asset.id),
                setpoint_mw=view.setpoint_mw(asset.id),
                now_us=now_us,
                telemetry_period_ms=view.telemetry_period_ms,
                restored=view.latest.slot(asset.id).restored,
            )
            for now_us in (view.wall_us(),)
            for asset in view.fleet.assets.values()
        )
        return await reply_now(shapes, columns_of(TelemetryJson), query.fields)

    @routes.get("/telemetry/<asset>")
    async def show_latest(asset: str) -> Response:
        read_query(())
        return reply_text(*latest.one(find_asset(view.fleet, asset)))

    @routes.get("/telemetry/<asset>/history")
    async def list_history(asset: str) -> Response:
        found = find_asset(view.fleet, asset)
        query = read_query((*RANGE, *PAGE, *FIELDS, "step"))
        if query.step_us is not None:
            return await reply_past(_buckets(view, found, query.step_us), query, long)
        return await reply_past(_samples(view, found), query, long)

    return routes


def _samples(view: HeadendView, asset: Asset) -> Past[Sample]:
    now_us = view.wall_us()

    return Past(
        partial(view.history.telemetry_history, asset.id),
        lambda sample: telemetry_shape(
            asset,
            sample,
            setpoint_mw=sample.setpoint_mw,
            now_us=now_us,
            telemetry_period_ms=view.telemetry_period_ms,
        ),
        # How old a sample is by now is no part of a table of what was.
        columns_of(SampleJson),
    )


def _buckets(view: HeadendView, asset: Asset, step_us: int) -> Past[Bucket]:
    ask = partial(view.history.telemetry_buckets, asset.id, step_us=step_us)
    return Past(ask, bucket_shape, columns_of(BucketJson))

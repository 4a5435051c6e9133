"""``/telemetry``: what assets measure, now and before, and where samples are missing."""

from functools import partial
from typing import Protocol

from quart import Blueprint, Response

from derhead.api.answering.callers import current_sender
from derhead.api.answering.current_lists import reply_now, wants_csv
from derhead.api.answering.headend_parts import HasHistory
from derhead.api.answering.lookups import find_asset, read_query
from derhead.api.answering.paging import LongAnswers, PagedHistory, reply_history
from derhead.api.answering.replies import list_text, reply_text
from derhead.api.latest.latest_texts import LatestParts, LatestTexts
from derhead.shapes import (
    FIELDS,
    PAGE,
    RANGE,
    BucketJson,
    GapJson,
    SampleJson,
    TelemetryJson,
    bucket_shape,
    columns_of,
    gap_shape,
    telemetry_shape,
)
from derhead.telemetry import Bucket, Sample
from derproto.configuration.fleet import Asset


class TelemetryParts(LatestParts, HasHistory, Protocol):
    """The part of the headend that these endpoints use."""


def telemetry_routes(headend: TelemetryParts, latest: LatestTexts, long: LongAnswers) -> Blueprint:
    """Endpoints that show telemetry."""
    routes = Blueprint("telemetry", __name__)

    @routes.get("/telemetry")
    async def list_latest() -> Response:
        query = read_query(FIELDS)
        sender = current_sender()
        if query.fields is None and not wants_csv():
            if sender.is_limited:
                return reply_text(await list_text(latest.written(sender.fleet.assets.values())))
            return reply_text(*await latest.all())
        shapes = (
            telemetry_shape(
                asset,
                headend.latest.get(asset.id),
                setpoint_mw=headend.setpoint_mw(asset.id),
                now_us=now_us,
                telemetry_period_ms=headend.telemetry_period_ms,
                restored=headend.latest.slot(asset.id).restored,
            )
            for now_us in (headend.wall_us(),)
            for asset in sender.fleet.assets.values()
        )
        return await reply_now(shapes, columns_of(TelemetryJson), query.fields)

    @routes.get("/telemetry/<asset>")
    async def show_latest(asset: str) -> Response:
        read_query(())
        return reply_text(*latest.one(find_asset(asset)))

    @routes.get("/telemetry/<asset>/history")
    async def list_history(asset: str) -> Response:
        found = find_asset(asset)
        query = read_query((*RANGE, *PAGE, *FIELDS, "step"))
        if query.step_us is not None:
            return await reply_history(_buckets(headend, found, query.step_us), query, long)
        return await reply_history(_samples(headend, found), query, long)

    @routes.get("/telemetry/<asset>/gaps")
    async def list_gaps(asset: str) -> Response:
        found = find_asset(asset)
        query = read_query((*RANGE, *PAGE, *FIELDS))
        ask = partial(headend.history.gaps, found.id)
        listed = PagedHistory(ask, gap_shape, columns_of(GapJson))
        return await reply_history(listed, query, long)

    return routes


def _samples(headend: TelemetryParts, asset: Asset) -> PagedHistory[Sample]:
    now_us = headend.wall_us()
    return PagedHistory(
        partial(headend.history.telemetry_history, asset.id),
        lambda sample: telemetry_shape(
            asset,
            sample,
            setpoint_mw=sample.setpoint_mw,
            now_us=now_us,
            telemetry_period_ms=headend.telemetry_period_ms,
        ),
        # The present age of an old sample has no place in a table of the past.
        columns_of(SampleJson),
    )


def _buckets(headend: TelemetryParts, asset: Asset, step_us: int) -> PagedHistory[Bucket]:
    ask = partial(headend.history.telemetry_buckets, asset.id, step_us=step_us)
    return PagedHistory(ask, bucket_shape, columns_of(BucketJson))

"""What is happening, and what has happened: every GET."""

import json
from collections.abc import Iterable
from typing import TypedDict

from quart import Response, request
from quart_trio import QuartTrio

from derhead.api import shapes
from derhead.api.params import Span, read_limit, read_span, read_step_us, refuse_unknown
from derhead.api.problems import bad_parameter, not_found
from derhead.api.shapes import Json
from derhead.api.view import HeadendView
from derhead.dispatch import State
from derhead.sessions import AGENT_ID
from derhead.telemetry import stale_after_us
from derproto.base.fleet import Asset

SPAN = ("from", "to", "limit", "cursor")


class SpanArguments(TypedDict):
    """A ``Span`` as the journal's queries take it."""

    from_us: int | None
    to_us: int | None
    limit: int
    cursor: str | None


def answer(body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON as it stands: no NaN, which JSON does not have."""
    return Response(
        json.dumps(body, allow_nan=False),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def answer_list(items: Iterable[Json], next_cursor: str | None = None) -> Response:
    """A list in the shape that all lists have."""
    return answer({"items": list(items), "next_cursor": next_cursor})


def install(app: QuartTrio, view: HeadendView) -> None:
    """Adds the routes that read."""
    stale_us = stale_after_us(view.telemetry_period_ms)

    def find_asset(id_or_name: str) -> Asset:
        asset = view.fleet.find_asset(id_or_name)
        if asset is None:
            raise not_found("asset", id_or_name)
        return asset

    def find_agent(agent_or_asset: str) -> str | None:
        """The agent itself, or an asset's holder, or its last holder, or None."""
        if AGENT_ID.fullmatch(agent_or_asset) and view.knows_agent(agent_or_asset):
            return agent_or_asset
        asset = view.fleet.find_asset(agent_or_asset)
        if asset is None:
            raise not_found("agent or asset", agent_or_asset)
        return view.holder(asset.id) or view.last_holder(asset.id)

    def telemetry_of(asset: Asset) -> Json:
        return shapes.telemetry_shape(
            asset,
            view.latest.get(asset.id),
            setpoint_mw=view.setpoint_mw(asset.id),
            now_us=view.wall_us(),
            stale_us=stale_us,
        )

    @app.get("/healthz")
    async def healthz() -> Response:
        failing = view.failing()
        if failing is None:
            return answer({"status": "ok"})
        return answer({"status": "failing", "journal": failing}, 503)

    @app.get("/assets")
    async def assets() -> Response:
        refuse_unknown(request.args)
        return answer_list(
            shapes.asset_shape(asset, view.fleet, view.holder(asset.id))
            for asset in view.fleet.assets.values()
        )

    @app.get("/agents")
    async def agents() -> Response:
        refuse_unknown(request.args)
        return answer_list(shapes.agent_shape(agent) for agent in view.agents())

    @app.get("/agents/<agent_id>/sessions")
    async def agent_sessions(agent_id: str) -> Response:
        refuse_unknown(request.args, "limit", "cursor")
        if not view.knows_agent(agent_id):
            raise not_found("agent", agent_id)
        page = await view.history.sessions(
            agent_id, limit=read_limit(request.args), cursor=request.args.get("cursor")
        )
        return answer_list(map(shapes.session_shape, page.items), page.next_cursor)

    @app.get("/telemetry")
    async def all_telemetry() -> Response:
        refuse_unknown(request.args)
        return answer_list(map(telemetry_of, view.fleet.assets.values()))

    @app.get("/telemetry/<asset_id>")
    async def telemetry(asset_id: str) -> Response:
        refuse_unknown(request.args)
        return answer(telemetry_of(find_asset(asset_id)))

    @app.get("/telemetry/<asset_id>/history")
    async def telemetry_history(asset_id: str) -> Response:
        refuse_unknown(request.args, *SPAN, "step")
        asset = find_asset(asset_id)
        span, step_us = read_span(request.args), read_step_us(request.args)
        if step_us is None:
            samples = await view.history.telemetry_history(asset.id, **_as_arguments(span))
            return answer_list(
                (shapes.sample_shape(asset, sample) for sample in samples.items),
                samples.next_cursor,
            )
        buckets = await view.history.telemetry_buckets(
            asset.id, step_us=step_us, **_as_arguments(span)
        )
        return answer_list(map(shapes.bucket_shape, buckets.items), buckets.next_cursor)

    @app.get("/heartbeat/<agent_or_asset>")
    async def heartbeat(agent_or_asset: str) -> Response:
        refuse_unknown(request.args)
        agent_id = find_agent(agent_or_asset)
        newest = None if agent_id is None else view.heartbeat(agent_id)
        return answer(shapes.heartbeat_shape(agent_id, newest, view.wall_us()))

    @app.get("/heartbeat/<agent_or_asset>/history")
    async def heartbeat_history(agent_or_asset: str) -> Response:
        refuse_unknown(request.args, *SPAN)
        agent_id, span = find_agent(agent_or_asset), read_span(request.args)
        if agent_id is None:
            return answer_list(())
        page = await view.history.heartbeats(agent_id, **_as_arguments(span))
        return answer_list(
            (shapes.heartbeat_shape(agent_id, record) for record in page.items), page.next_cursor
        )

    @app.get("/dispatch/history")
    async def dispatch_history() -> Response:
        refuse_unknown(request.args, *SPAN, "asset_id", "state")
        asset_id = request.args.get("asset_id")
        page = await view.history.dispatch_history(
            asset_id=None if asset_id is None else find_asset(asset_id).id,
            state=_read_state(request.args.get("state")),
            **_as_arguments(read_span(request.args)),
        )
        return answer_list(map(shapes.dispatch_shape, page.items), page.next_cursor)

    @app.get("/dispatch/<dispatch_id>")
    async def dispatch(dispatch_id: str) -> Response:
        refuse_unknown(request.args)
        found = await view.history.dispatch(dispatch_id.lower())
        if found is None:
            raise not_found("dispatch", dispatch_id)
        return answer(shapes.dispatch_shape(found))


def _as_arguments(span: Span) -> SpanArguments:
    return {
        "from_us": span.from_us,
        "to_us": span.to_us,
        "limit": span.limit,
        "cursor": span.cursor,
    }


def _read_state(text: str | None) -> State | None:
    if text is None:
        return None
    try:
        return State(text)
    except ValueError:
        raise bad_parameter("state", f"must be one of {', '.join(State)}") from None

"""``/events``: what changes, as it happens, as an event stream."""

from types import TracebackType

from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from derhead.api.dispatch_shapes import dispatch_shape
from derhead.api.latest_texts import LatestTexts
from derhead.api.listening import NotThere, read_filter, read_last_id
from derhead.api.lookups import refuse_query
from derhead.api.params import BadQuery
from derhead.api.replies import HEADERS, RETRY_AFTER_S, Refused
from derhead.api.shapes import seconds_of, session_shape, time_of
from derhead.api.tables import dump
from derhead.api.view import HeadendView
from derhead.events import (
    AgentEvent,
    EventHub,
    EventTexts,
    LoggedEvent,
    Subscription,
    TooManyReaders,
)
from derhead.telemetry import stale_after_us

STREAM_TYPE = "text/event-stream"

STREAM_HEADERS = {**HEADERS, "X-Accel-Buffering": "no"}
"""Proxies must hand each event on at once; nginx is told so by the second."""


def make_hub(view: HeadendView, latest: LatestTexts) -> EventHub:
    """A hub that tells of this headend, in the API's shapes."""

    def event(happened: LoggedEvent) -> str:
        at = time_of(happened.at_us)
        if isinstance(happened, AgentEvent):
            session = happened.session
            return dump(
                {
                    "at": at,
                    "agent_id": session.agent_id,
                    "change": happened.change,
                    "reason": session.end_reason,
                    "session": session_shape(session),
                }
            )
        return dump({"at": at, "dispatch": dispatch_shape(happened.dispatch)})

    def hello(resumed: bool) -> str:
        period_ms = view.telemetry_period_ms
        return dump(
            {
                "now": time_of(view.wall_us()),
                "resumed": resumed,
                "telemetry_period_s": period_ms / 1000,
                "stale_after_s": seconds_of(stale_after_us(period_ms)),
            }
        )

    def alive() -> str:
        return dump({"now": time_of(view.wall_us())})

    return EventHub(view.fleet, view.history, EventTexts(latest, event, hello, alive))


def event_routes(view: HeadendView, hub: EventHub) -> Blueprint:
    """The endpoint that tells of events."""
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    async def tell_events() -> Response:
        wanted = read_filter(request.args.to_dict(flat=False), view.fleet)
        match wanted:
            case BadQuery():
                raise refuse_query(wanted)
            case NotThere(detail):
                raise Refused(404, detail)
        last_id = read_last_id(request.headers.get("Last-Event-ID"))
        try:
            subscription = await hub.subscribe(wanted, last_id)
        except TooManyReaders as full:
            raise Refused(503, str(full), headers={"Retry-After": str(RETRY_AFTER_S)}) from None
        body = _Stream(subscription) if request.method == "GET" else b""
        response = Response(body, content_type=STREAM_TYPE, headers=STREAM_HEADERS)
        # It lasts as long as the reader does.
        response.timeout = None
        return response

    return routes


class _Stream(ResponseBody):
    """A subscription as an answer's body."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def __aenter__(self) -> Subscription:
        return await self._subscription.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._subscription.__aexit__(kind, error, trace)

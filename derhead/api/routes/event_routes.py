"""``/events``: changes as they happen, as an event stream."""

from collections.abc import Callable
from typing import Any, Protocol

from quart import Blueprint, Response, request
from quart.wrappers.response import ResponseBody

from derhead.api.answering.callers import current_sender
from derhead.api.answering.headend_parts import HasClock, HasFleet
from derhead.api.answering.lookups import refuse_query
from derhead.api.answering.replies import HEADERS, RETRY_AFTER_S, HttpProblem
from derhead.api.latest.latest_texts import LatestTexts
from derhead.api.routes.event_query import UnknownName, read_filter, read_last_id
from derhead.events import EventHub, EventLog, EventTexts, LoggedEvent, Subscription, TooManyReaders
from derhead.shapes import BadQuery, alive_shape, dump, event_shape, hello_shape

STREAM_TYPE = "text/event-stream"

STREAM_HEADERS = {**HEADERS, "X-Accel-Buffering": "no"}
"""The second header tells nginx to pass each event on at once."""


class EventParts(HasFleet, HasClock, Protocol):
    """The part of the headend that the event hub uses."""

    @property
    def journal(self) -> EventLog: ...

    @property
    def telemetry_period_ms(self) -> int: ...


def make_hub(headend: EventParts, latest: LatestTexts) -> EventHub:
    """The hub for this headend, which renders events in the API's shapes."""

    def hello(resumed: bool, fleet: str) -> str:
        period_ms = headend.telemetry_period_ms
        return dump(hello_shape(headend.wall_us(), period_ms, resumed=resumed, fleet=fleet))

    def alive() -> str:
        return dump(alive_shape(headend.wall_us()))

    def event(happened: LoggedEvent) -> str:
        return dump(event_shape(happened))

    return EventHub(headend.fleet, headend.journal, EventTexts(latest, event, hello, alive))


def event_routes(headend: EventParts, hub: EventHub) -> Blueprint:
    """The endpoint that streams events."""
    routes = Blueprint("events", __name__)

    @routes.get("/events")
    async def tell_events() -> Response:
        sender = current_sender()
        wanted = read_filter(
            request.args.to_dict(flat=False), sender.fleet, limited=sender.is_limited
        )
        match wanted:
            case BadQuery():
                raise refuse_query(wanted)
            case UnknownName(detail):
                raise HttpProblem(404, detail)
        last_id = read_last_id(request.headers.get("Last-Event-ID"))
        try:
            subscription = await hub.subscribe(wanted, last_id)
        except TooManyReaders as full:
            raise HttpProblem(503, str(full), headers={"Retry-After": str(RETRY_AFTER_S)}) from None
        body = _Stream(subscription, sender.is_admitted) if request.method == "GET" else b""
        response = Response(body, content_type=STREAM_TYPE, headers=STREAM_HEADERS)
        # The stream lasts as long as its reader.
        response.timeout = None
        return response

    return routes


class _Stream(ResponseBody):
    """A subscription as an answer's body, as long as its reader is admitted."""

    def __init__(self, subscription: Subscription, is_admitted: Callable[[], bool]) -> None:
        self._subscription = subscription
        self._is_admitted = is_admitted

    async def __aenter__(self) -> "_Stream":
        await self._subscription.__aenter__()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._subscription.__aexit__(*raised)

    def __aiter__(self) -> "_Stream":
        return self

    async def __anext__(self) -> bytes:
        told = await anext(self._subscription)
        if not self._is_admitted():
            # A token was revoked or has expired: the reader learns so when it comes back.
            raise StopAsyncIteration
        return told

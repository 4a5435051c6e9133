"""The events of ``/events`` as JSON: pure."""

from typing import Annotated, TypedDict

from msgspec import Meta

from derhead.events import Change, LoggedEvent, SessionEvent
from derhead.shapes.record_shapes.agent_json import SessionJson, session_shape
from derhead.shapes.record_shapes.dispatch_json import DispatchJson, dispatch_shape
from derhead.shapes.record_shapes.telemetry_json import TelemetryJson
from derhead.shapes.record_shapes.values import Time, time_of
from derhead.telemetry import stale_after_us
from derproto.base.timefmt import format_us


class HelloJson(TypedDict):
    """The first event of a stream."""

    now: Time
    resumed: Annotated[
        bool,
        Meta(description="No event since `Last-Event-ID` was missed. Else reload what you show."),
    ]
    fleet: Annotated[
        str,
        Meta(description="Another text after assets or sites changed: then ask `/assets` again."),
    ]
    telemetry_period_s: Annotated[float, Meta(description="How often assets are measured.")]
    stale_after_s: Annotated[float, Meta(description="Age above which telemetry is stale.")]


class AliveJson(TypedDict):
    """A sign of life, every 10 s."""

    now: Time


class TelemetryEventJson(TypedDict):
    """The newest telemetry: first of all wanted assets, then of those that changed."""

    items: list[TelemetryJson]


class AgentEventJson(TypedDict):
    """A session began or ended."""

    at: Time | None
    agent_id: str
    change: Change
    reason: Annotated[str | None, Meta(description="Why it ended.")]
    session: SessionJson


class DispatchEventJson(TypedDict):
    """A dispatch changed."""

    at: Time | None
    dispatch: Annotated[DispatchJson, Meta(description="Its state after the change.")]


EVENT_DATA = {
    "hello": HelloJson,
    "telemetry": TelemetryEventJson,
    "agent": AgentEventJson,
    "dispatch": DispatchEventJson,
    "alive": AliveJson,
}
"""The JSON type of each event of `/events`."""


def hello_shape(now_us: int, telemetry_period_ms: int, *, resumed: bool, fleet: str) -> HelloJson:
    """``resumed``: the reader has missed no event since its last one. ``fleet``: its tag."""
    return {
        "now": format_us(now_us),
        "resumed": resumed,
        "fleet": fleet,
        "telemetry_period_s": telemetry_period_ms / 1000,
        "stale_after_s": stale_after_us(telemetry_period_ms) / 1e6,
    }


def alive_shape(now_us: int) -> AliveJson:
    return {"now": format_us(now_us)}


def event_shape(event: LoggedEvent) -> AgentEventJson | DispatchEventJson:
    at = time_of(event.at_us)
    if not isinstance(event, SessionEvent):
        return {"at": at, "dispatch": dispatch_shape(event.dispatch)}
    return {
        "at": at,
        "agent_id": event.session.agent_id,
        "change": event.change,
        "reason": event.session.end_reason,
        "session": session_shape(event.session),
    }

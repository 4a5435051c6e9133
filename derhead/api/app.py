"""The REST app: all endpoints, and the answers to requests that match none or fail."""

import secrets
from collections.abc import Collection
from typing import Protocol

from quart import Response, has_websocket_context, request, websocket
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from derhead.access import AccessGate, Logins
from derhead.api.answering.finishing import finish_answers
from derhead.api.answering.guarding import Refusals, guard
from derhead.api.answering.paging import LongAnswers
from derhead.api.answering.problem_kinds import kind_of
from derhead.api.answering.replies import RETRY_AFTER_S, HttpProblem, problem
from derhead.api.answering.strangers import refuse_strangers
from derhead.api.answering.trusted_hosts import TrustedHosts
from derhead.api.latest.latest_texts import LatestTexts
from derhead.api.latest.telemetry_lane import TelemetryLane
from derhead.api.routes.audit_routes import AuditParts, audit_routes
from derhead.api.routes.dispatch_routes import DispatchId, DispatchParts, dispatch_routes
from derhead.api.routes.document_routes import document_routes
from derhead.api.routes.event_routes import EventParts, event_routes, make_hub
from derhead.api.routes.fleet_routes import FleetParts, fleet_routes
from derhead.api.routes.health_routes import HealthParts, health_routes
from derhead.api.routes.heartbeat_routes import HeartbeatParts, heartbeat_routes
from derhead.api.routes.level_routes import LevelParts, level_routes
from derhead.api.routes.login_routes import LoginParts, login_routes
from derhead.api.routes.telemetry_routes import TelemetryParts, telemetry_routes
from derhead.api.routes.timeline_routes import TimelineParts, timeline_routes
from derhead.errors import JournalError
from derhead.events import EventHub
from derhead.history import BadCursor
from derhead.httpserver import FastLane, HttpLimits
from derhead.observability import access_metrics, event_metrics, stranger_metrics
from derhead.page import page_routes
from derhead.shapes import dump
from derproto.stdio.log_events import event_log

log = event_log(__name__)


class RestApp(QuartTrio):
    """The app, with the fast lane and the event hub that serve the same callers."""

    lane: FastLane | None = None
    """Answers some requests before the app sees them; None = the app answers all."""
    latest: LatestTexts
    events: EventHub
    """Feeds the readers of ``/events``; they get nothing while it does not run."""

    def renew_fleet(self, removed: Collection[str]) -> None:
        """Takes over a fleet that has changed, without the removed assets."""
        self.latest.renew_fleet(removed)
        self.events.renew_fleet(removed)

    def take_limits(self, limits: HttpLimits) -> None:
        """Sets the limits that Quart enforces."""
        self.config["MAX_CONTENT_LENGTH"] = limits.body_bytes
        self.config["BODY_TIMEOUT"] = limits.body_s
        self.config["RESPONSE_TIMEOUT"] = limits.response_s

    def problem_text(self, status: int, detail: str) -> str:
        """The problem for a request that broke HTTP, and so has no path."""
        kind = kind_of(status)
        return dump(
            {
                "type": kind.type,
                "title": kind.title,
                "status": status,
                "detail": detail,
                "errors": [],
            }
        )


class HeadendParts(
    AuditParts,
    DispatchParts,
    EventParts,
    FleetParts,
    HealthParts,
    HeartbeatParts,
    LevelParts,
    LoginParts,
    TelemetryParts,
    TimelineParts,
    Protocol,
):
    """All that REST needs of a headend: the needs of its endpoints, taken together."""


def create_app(
    headend: HeadendParts, gate: AccessGate | None = None, trusted: TrustedHosts | None = None
) -> RestApp:
    """Makes the app for a headend. The ``gate`` recognises callers; None = one open to all.

    Answers are JSON, except metrics and pages; errors are problems (RFC 9457). ``trusted`` are the
    hosts and origins that a browser may name; None = the headend's own page, by loopback alone.
    """
    trusted = trusted or TrustedHosts()
    app = RestApp(__name__, static_folder=None)
    app.take_limits(HttpLimits())
    # Werkzeug would answer these requests itself, in HTML.
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    app.url_map.converters["dispatch"] = DispatchId
    gate = AccessGate() if gate is None else gate
    refuse_strangers(app, trusted)
    logins = Logins(secrets.token_bytes)
    refusals = Refusals(gate.failures, headend.audit)
    long = LongAnswers()
    for routes in (fleet_routes, heartbeat_routes, dispatch_routes, audit_routes):
        app.register_blueprint(routes(headend, long))
    app.register_blueprint(timeline_routes(headend))
    app.register_blueprint(level_routes(headend))
    app.register_blueprint(health_routes(headend))
    latest = app.latest = LatestTexts(headend)
    app.register_blueprint(telemetry_routes(headend, latest, long))
    app.register_blueprint(document_routes())
    app.register_blueprint(page_routes())
    app.register_blueprint(login_routes(headend, gate, logins, refusals))
    app.lane = TelemetryLane(headend, latest, gate, trusted)
    app.events = make_hub(headend, latest)
    headend.metrics.add(lambda: stranger_metrics(trusted.refused))
    headend.metrics.add(lambda: event_metrics(app.events.statistics()))
    headend.metrics.add(lambda: access_metrics(gate.failures.refused))
    app.register_blueprint(event_routes(headend, app.events))
    _answer_errors(app)
    finish_answers(app, trusted.origins)
    guard(app, gate, logins, headend, refusals)
    return app


def _answer_errors(app: QuartTrio) -> None:
    @app.errorhandler(HttpProblem)
    async def answer_refused(refused: HttpProblem) -> Response:
        return problem(refused.status, refused.detail, refused.errors, refused.headers)

    @app.errorhandler(BadCursor)
    async def answer_cursor(wrong: BadCursor) -> Response:
        return problem(422, "the query cannot be used", [("/query/cursor", str(wrong))])

    @app.errorhandler(JournalError)
    async def answer_journal(error: JournalError) -> Response:
        log.error("request failed", **_what(), status=503, reason=error)
        return problem(
            503,
            f"{error}; nothing was changed, try again",
            headers={"Retry-After": str(RETRY_AFTER_S)},
        )

    @app.errorhandler(HTTPException)
    async def answer_http(error: HTTPException) -> Response:
        status = error.code or 500
        detail = error.description or error.name
        headers = {}
        match error:
            case MethodNotAllowed():
                allowed = ", ".join(sorted(error.valid_methods or ()))
                headers["Allow"] = allowed
                detail = f"{request.method} is not possible here; use {allowed}"
            case _ if status == 404:
                detail = "there is nothing at this path; docs/api.md lists what there is"
            case _:
                pass
        return problem(status, detail, headers=headers)

    @app.errorhandler(Exception)
    async def answer_bug(error: Exception) -> Response:
        log.error("request failed", exc_info=error, **_what(), status=500, reason=repr(error))
        return problem(500, "the headend failed to answer; its log says why")


def _what() -> dict[str, str]:
    """The keys of the request's log line."""
    if has_websocket_context():
        return {"method": "websocket", "path": websocket.path}
    return {"method": request.method, "path": request.path}

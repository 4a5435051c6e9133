"""``/healthz``, ``/readyz`` and ``/metrics``: the headend's own state, for whatever monitors it."""

from typing import Protocol

from quart import Blueprint, Response, request

from derhead.api.answering.lookups import read_query
from derhead.api.answering.replies import reply, reply_body
from derhead.observability import Check, Health, Readiness, worst
from derproto.metrics.exposition import Metrics


class HealthParts(Protocol):
    """The part of the headend that these endpoints use."""

    @property
    def readiness(self) -> Readiness: ...

    @property
    def metrics(self) -> Metrics: ...

    def failing(self) -> str | None:
        """Why orders cannot be stored now; None if they can."""

    def held(self) -> str | None:
        """Why telemetry is not stored although orders are; None if telemetry is stored."""


def health_routes(headend: HealthParts) -> Blueprint:
    """Endpoints for orchestrators, load balancers and Prometheus."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    async def tell_health() -> Response:
        failing = headend.failing() or headend.held()
        checks = headend.readiness.checks()
        not_ready = [each.name for each in checks if each.health is not Health.READY]
        if failing is not None:
            failure = {"status": "failing", "not_ready": not_ready, "journal": failing}
            return reply(failure, 503)
        return reply({"status": "ok", "not_ready": not_ready})

    @routes.get("/readyz")
    async def tell_readiness() -> Response:
        read_query(())
        return reply_checks(headend.readiness.checks())

    @routes.get("/metrics")
    async def tell_metrics() -> Response:
        read_query(())
        return reply_body(*headend.metrics.render(request.headers.get("Accept", "")))

    return routes


def reply_checks(checks: list[Check]) -> Response:
    """The answer of ``/readyz``."""
    whole = worst(checks)
    return reply(
        {
            "status": whole.word,
            "checks": [
                {"name": each.name, "status": each.health.word, "detail": each.detail}
                for each in checks
            ],
        },
        503 if whole is Health.UNREADY else 200,
    )

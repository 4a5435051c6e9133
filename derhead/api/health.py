"""``/healthz``, ``/readyz`` and ``/metrics``: how the headend is, for what watches over it."""

from quart import Blueprint, Response, request

from derhead.api.lookups import read_query
from derhead.api.replies import reply, reply_bytes
from derhead.api.view import HeadendView
from derhead.observability import Health, worst


def health_routes(view: HeadendView) -> Blueprint:
    """Endpoints that orchestrators, load balancers and Prometheus ask."""
    routes = Blueprint("health", __name__)

    @routes.get("/healthz")
    async def tell_health() -> Response:
        failing = view.failing() or view.held()
        if failing is not None:
            return reply({"status": "failing", "journal": failing}, 503)
        return reply({"status": "ok"})

    @routes.get("/readyz")
    async def tell_readiness() -> Response:
        read_query(())
        checks = view.readiness.checks()
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

    @routes.get("/metrics")
    async def tell_metrics() -> Response:
        read_query(())
        return reply_bytes(*view.metrics.render(request.headers.get("Accept", "")))

    return routes

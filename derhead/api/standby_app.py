"""REST of a stand-by: it lives, it is not ready, and nothing else is to be had from it."""

from collections.abc import Callable

from quart import Response, request

from derhead.api.answering.replies import RETRY_AFTER_S, problem, reply
from derhead.api.answering.strangers import refuse_strangers
from derhead.api.answering.trusted_hosts import TrustedHosts
from derhead.api.app import RestApp
from derhead.api.routes.health_routes import reply_checks
from derhead.httpserver import HttpLimits
from derhead.observability import Check, Health


def create_standby_app(say: Callable[[], str], trusted: TrustedHosts | None = None) -> RestApp:
    """Makes the app of a headend that waits for its claim; ``say`` tells what it waits for.

    ``trusted`` is as for ``create_app``.
    """
    app = RestApp(__name__, static_folder=None)
    app.take_limits(HttpLimits())
    refuse_strangers(app, trusted or TrustedHosts())

    @app.before_request
    async def stand_by() -> Response:
        detail = f"standing by: {say()}"
        match request.method, request.path:
            case (("GET" | "HEAD"), "/healthz"):
                return reply({"status": "ok", "not_ready": ["claim"]})
            case (("GET" | "HEAD"), "/readyz"):
                return reply_checks([Check("claim", Health.UNREADY, detail)])
            case _:
                return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})

    return app

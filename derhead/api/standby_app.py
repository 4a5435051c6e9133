"""REST of a stand-by: it is alive, not ready, and answers everything else with 503.

Like a headend that serves, it shows its health to everybody. Other requests need good credentials.
"""

from collections.abc import Callable

from quart import Response, request

from derhead.access import AccessGate, Unauthenticated
from derhead.api.answering.guarding import Refusals, sent_authorization
from derhead.api.answering.replies import RETRY_AFTER_S, problem, reply
from derhead.api.answering.strangers import refuse_strangers
from derhead.api.answering.trusted_hosts import TrustedHosts
from derhead.api.app import RestApp
from derhead.api.routes.health_routes import reply_checks
from derhead.httpserver import HttpLimits
from derhead.observability import Check, Health

PAGE = "/"
"""People look here first. They have no token yet, so the answer (503, standing by) needs none."""


def create_standby_app(
    say: Callable[[], str],
    wall_us: Callable[[], int],
    gate: AccessGate | None = None,
    trusted: TrustedHosts | None = None,
) -> RestApp:
    """Makes the app of a headend that waits for its claim; ``say`` tells what it waits for.

    ``gate`` and ``trusted`` are as for ``create_app``. Its audit trail is that of the headend that
    serves, so refusals are only logged and counted.
    """
    known = AccessGate() if gate is None else gate
    refusals = Refusals(known.failures, None)
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
            case (("GET" | "HEAD"), path) if path == PAGE:
                pass
            case _:
                found = known.recognise(sent_authorization(), wall_us())
                if isinstance(found, Unauthenticated):
                    refused = refusals.unauthenticated(found)
                    return problem(refused.status, refused.detail, refused.errors, refused.headers)
        return problem(503, detail, headers={"Retry-After": str(RETRY_AFTER_S)})

    return app

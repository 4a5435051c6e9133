"""The guard of the app: who may do what, decided before any endpoint sees the request."""

from quart import Quart, request

from derhead.access import AccessGate, Principal, Right, Unauthenticated, roles_with
from derhead.api.answering.callers import note_principal
from derhead.api.answering.headend_parts import HasClock
from derhead.api.answering.replies import HttpProblem

OPEN_ENDPOINTS = frozenset(
    {
        "health.tell_health",
        "health.tell_readiness",
        "page.show_page",
        "page.show_file",
        "documents.show_openapi",
        "documents.show_docs",
        "documents.show_problems",
        "documents.show_style",
    }
)
"""What anybody may ask for: an orchestrator's probes, and files that every headend has."""


def right_needed(method: str, endpoint: str | None) -> Right | None:
    """The right that a request needs; None = none, not even to be known."""
    if endpoint in OPEN_ENDPOINTS:
        return None
    return Right.READ if method in ("GET", "HEAD") else Right.ORDER


def guard(app: Quart, gate: AccessGate, clock: HasClock) -> None:
    """Registers the guard. Paths that do not exist are refused alike, and so tell nothing."""

    @app.before_request
    async def check_caller() -> None:
        right = right_needed(request.method, request.endpoint)
        if right is None:
            return
        sent = request.headers.getlist("Authorization")
        found = gate.recognise(", ".join(sent).encode("latin-1") if sent else None, clock.wall_us())
        if isinstance(found, Unauthenticated):
            raise HttpProblem(401, found.detail, headers={"WWW-Authenticate": found.challenge})
        if not found.may(right):
            raise _forbidden(found, right)
        note_principal(found)


def _forbidden(caller: Principal, right: Right) -> HttpProblem:
    able = " or ".join(roles_with(right))
    detail = f"{caller.name} is {caller.role}, and this takes {able}; use a token of such a role"
    challenge = Unauthenticated(detail, "insufficient_scope").challenge
    return HttpProblem(403, detail, headers={"WWW-Authenticate": challenge})

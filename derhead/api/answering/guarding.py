"""The guard of the app: who may do what, decided before any endpoint sees the request."""

from typing import Protocol

from quart import Quart, request

from derhead.access import (
    AccessGate,
    Principal,
    Right,
    Unauthenticated,
    VisibleFleets,
    roles_with,
)
from derhead.api.answering.callers import Sender, note_sender
from derhead.api.answering.headend_parts import HasClock, HasFleet
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

WHOLE_FLEET = frozenset({"health.tell_metrics"})
"""What callers with some sites only may not ask for."""


def right_needed(method: str, endpoint: str | None) -> Right | None:
    """The right that a request needs; None = none, not even to be known."""
    if endpoint in OPEN_ENDPOINTS:
        return None
    return Right.READ if method in ("GET", "HEAD") else Right.ORDER


class GuardParts(HasFleet, HasClock, Protocol):
    """The part of the headend that the guard uses."""


def guard(app: Quart, gate: AccessGate, headend: GuardParts) -> None:
    """Registers the guard. Paths that do not exist are refused alike, and so tell nothing."""
    fleets = VisibleFleets(headend.fleet)

    @app.before_request
    async def check_caller() -> None:
        right = right_needed(request.method, request.endpoint)
        if right is None:
            return
        sent = request.headers.getlist("Authorization")
        authorization = ", ".join(sent).encode("latin-1") if sent else None

        def recognise() -> Principal | Unauthenticated:
            return gate.recognise(authorization, headend.wall_us())

        found = recognise()
        if isinstance(found, Unauthenticated):
            raise HttpProblem(401, found.detail, headers={"WWW-Authenticate": found.challenge})
        if not found.may(right):
            able = " or ".join(roles_with(right))
            raise _forbidden(
                f"{found.name} is {found.role}, and this takes {able}; use a token of such a role"
            )
        if found.sites is not None and request.endpoint in WHOLE_FLEET:
            raise _forbidden(
                f"{found.name} sees some sites only, and this is about the whole fleet; use a token"
                " without sites"
            )
        note_sender(Sender(found, fleets.of(found), lambda: recognise() == found))


def _forbidden(detail: str) -> HttpProblem:
    challenge = Unauthenticated(detail, "insufficient_scope").challenge
    return HttpProblem(403, detail, headers={"WWW-Authenticate": challenge})

"""The guard of the app: who may do what, decided before any endpoint sees the request."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import trio
from quart import Quart, request

from derhead.access import (
    COOKIE,
    NEVER_SLOWED,
    AccessGate,
    AccessRefusal,
    FailureMeter,
    Login,
    Logins,
    Principal,
    Right,
    Unauthenticated,
    VisibleFleets,
    roles_with,
)
from derhead.api.answering.callers import Sender, caller_named, note_sender, sole_site
from derhead.api.answering.headend_parts import HasClock, HasFleet
from derhead.api.answering.lookups import read_json
from derhead.api.answering.replies import HttpProblem
from derhead.audit import AuditAction, AuditTrail, Caller
from derhead.dispatch import Asked, asked_of
from derproto.configuration.fleet import Fleet
from derproto.stdio.log_events import event_log

log = event_log(__name__)

NOTHING_ASKED = Asked()

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


OWN_LOGINS: Mapping[str, Right | None] = {
    "login.log_in": None,
    "login.log_out": None,
    "login.end_login": Right.READ,
}
"""What changes nothing but the sender's own log-ins, and what it takes."""


def right_needed(method: str, endpoint: str | None) -> Right | None:
    """The right that a request needs; None = none, not even to be known."""
    if endpoint in OPEN_ENDPOINTS:
        return None
    if endpoint is not None and endpoint in OWN_LOGINS:
        return OWN_LOGINS[endpoint]
    return Right.READ if method in ("GET", "HEAD") else Right.ORDER


class Refusals:
    """Refuses callers, and counts and notes each refusal; ``trail``: None = it has no trail."""

    def __init__(self, failures: FailureMeter, trail: AuditTrail | None) -> None:
        self._failures = failures
        self._trail = trail

    def unauthenticated(self, refused: Unauthenticated) -> HttpProblem:
        """The answer to a caller whom nobody knows: counted, slowed, logged and noted."""
        headers = {"WWW-Authenticate": refused.challenge}
        wait_s = self._failures.refuse(refused.reason, request.remote_addr, trio.current_time())
        if wait_s:
            detail = (
                "wrong credentials came from this address too often; correct the token and wait"
            )
            return HttpProblem(429, detail, headers={"Retry-After": str(math.ceil(wait_s))})
        if refused.reason in NEVER_SLOWED:
            return HttpProblem(401, refused.detail, headers=headers)
        told = refused.detail if refused.token is None else f"{refused.token}: {refused.detail}"
        self._note(caller_named(), refused.reason, told)
        return HttpProblem(401, refused.detail, headers=headers)

    def forbidden(
        self,
        caller: Principal,
        reason: AccessRefusal,
        detail: str,
        asked: Asked = NOTHING_ASKED,
    ) -> HttpProblem:
        """The answer to a caller who may not do this: counted, logged and noted."""
        self._failures.count(reason)
        self._note(caller_named(caller.name), reason, detail, asked)
        challenge = Unauthenticated(detail, reason, "insufficient_scope").challenge
        return HttpProblem(403, detail, headers={"WWW-Authenticate": challenge})

    def _note(
        self, caller: Caller, reason: AccessRefusal, detail: str, asked: Asked = NOTHING_ASKED
    ) -> None:
        what = f"{request.method} {request.path[:80]!r}"
        log.warning(
            "access refused",
            method=request.method,
            path=request.path[:80],
            by=caller.known_as,
            peer=caller.peer,
            cause=reason.value,
            reason=detail,
        )
        if self._trail is not None:
            self._trail.note(
                AuditAction.ACCESS_REFUSED,
                caller,
                reason,
                target=asked.target,
                site_id=asked.site_id,
                detail=f"{what}: {detail}",
                after=asked.entry,
            )


class GuardParts(HasFleet, HasClock, Protocol):
    """The part of the headend that the guard uses."""


def guard(
    app: Quart, gate: AccessGate, logins: Logins, headend: GuardParts, refusals: Refusals
) -> None:
    """Registers the guard. A cookie of ``logins`` stands for the credentials that it was given for.
    Paths that do not exist are refused alike, and so tell nothing."""
    fleets = VisibleFleets(headend.fleet)

    @app.before_request
    async def check_caller() -> None:
        right = right_needed(request.method, request.endpoint)
        if right is None:
            return
        header = sent_authorization()
        cookie = None if header or gate.is_open else request.cookies.get(COOKIE)

        def recognise() -> tuple[Principal | Unauthenticated, Login | None]:
            now_us = headend.wall_us()
            login = None if cookie is None else logins.use(cookie, now_us)
            shown = header if login is None else login.authorization
            return gate.recognise(shown, now_us), login

        found, login = recognise()
        if isinstance(found, Unauthenticated):
            raise refusals.unauthenticated(found)
        fleet = fleets.of(found)
        if not found.may(right):
            able = " or ".join(roles_with(right))
            detail = (
                f"{found.name} is {found.role}, and this takes {able}; use a token of such a role"
            )
            asked = await _read_asked(fleet)
            asked = replace(asked, site_id=asked.site_id or sole_site(found, fleet))
            raise refusals.forbidden(found, AccessRefusal.ROLE, detail, asked)
        if found.sites is not None and request.endpoint in WHOLE_FLEET:
            detail = (
                f"{found.name} sees some sites only, and this is about the whole fleet; use a token"
                " without sites"
            )
            asked = Asked(site_id=sole_site(found, fleet))
            raise refusals.forbidden(found, AccessRefusal.SITES, detail, asked)
        note_sender(
            Sender(
                found,
                fleet,
                lambda: recognise()[0] == found,
                None if login is None else login.id,
            )
        )


async def _read_asked(fleet: Fleet) -> Asked:
    """What a refused request asked for, if it is an order or a withdrawal."""
    if request.endpoint == "dispatch.withdraw_dispatch":
        return Asked(str((request.view_args or {}).get("dispatch_id")))
    if request.endpoint != "dispatch.order":
        return NOTHING_ASKED
    try:
        return asked_of(await read_json(), fleet)
    except HttpProblem:
        # Whatever is wrong with the body: the refusal counts all the same.
        return NOTHING_ASKED


def sent_authorization() -> bytes | None:
    """The ``Authorization`` of the current request, as it was sent."""
    sent = request.headers.getlist("Authorization")
    return ", ".join(sent).encode("latin-1") if sent else None

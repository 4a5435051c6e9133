"""``/login`` and ``/logins``: the page sends a token once, and gets a cookie."""

from dataclasses import replace
from typing import Protocol

from quart import Blueprint, Response, request

from derhead.access import (
    ANYBODY,
    COOKIE,
    UNREADABLE,
    AccessGate,
    AccessRefusal,
    Login,
    Logins,
    Principal,
    Right,
    Role,
    Unauthenticated,
    sees_sites_of,
)
from derhead.api.answering.callers import caller_named, current_sender
from derhead.api.answering.guarding import Refusals
from derhead.api.answering.headend_parts import HasClock, HasFleet
from derhead.api.answering.lookups import read_json, read_query
from derhead.api.answering.replies import HttpProblem, reply, reply_items
from derhead.audit import AuditAction, AuditTrail
from derhead.shapes import caller_shape, login_shape
from derproto.stdio.log_events import event_log

log = event_log(__name__)


NO_TOKEN_AT_ALL = replace(
    UNREADABLE,
    detail="this is not a token; copy the whole token, which has no blanks, and paste it again",
)
"""For the person at the page's form, who has never seen the header."""


class LoginParts(HasFleet, HasClock, Protocol):
    """The part of the headend that these endpoints use."""

    @property
    def audit(self) -> AuditTrail: ...


def login_routes(
    headend: LoginParts, gate: AccessGate, logins: Logins, refusals: Refusals
) -> Blueprint:
    """Endpoints that begin, show and end log-ins."""
    routes = Blueprint("login", __name__)

    def note(action: AuditAction, name: str | None, detail: str) -> None:
        caller = caller_named(name)
        log.info(action.value.replace("_", " "), by=name, peer=caller.peer, detail=detail)
        headend.audit.note(action, caller, detail=detail)

    def may_see(login: Login) -> bool:
        """Whether the sender may see and end that log-in: its own, or as an administrator those of
        its sites."""
        caller = current_sender().principal
        if caller.name == login.name:
            return True
        if caller.role is not Role.ADMIN:
            return False
        owner = gate.recognise(login.authorization, headend.wall_us())
        # Only callers who see everything see a log-in whose token is no longer good.
        limits = owner if isinstance(owner, Principal) else ANYBODY
        return sees_sites_of(caller, limits, headend.fleet)

    @routes.post("/login")
    async def log_in() -> Response:
        read_query(())
        authorization = b"Bearer " + (await _read_token()).encode("utf-8", "replace")
        now_us = headend.wall_us()
        found = gate.recognise(authorization, now_us)
        if found is UNREADABLE:
            found = NO_TOKEN_AT_ALL
        if isinstance(found, Unauthenticated):
            raise refusals.unauthenticated(found)
        if not found.may(Right.READ):
            detail = f"{found.name} is {found.role}, which is not for people"
            raise refusals.forbidden(found, AccessRefusal.ROLE, detail)
        if found.name is None:
            # Nobody needs a log-in here.
            return reply(caller_shape(found))
        cookie, login = logins.begin(found.name, authorization, request.remote_addr, now_us)
        note(AuditAction.LOG_IN, found.name, f"log-in {login.id}")
        answer = reply(caller_shape(found, login.id))
        _set_cookie(answer, cookie)
        return answer

    @routes.get("/login")
    async def show_caller() -> Response:
        read_query(())
        sender = current_sender()
        return reply(caller_shape(sender.principal, sender.login_id))

    @routes.delete("/login")
    async def log_out() -> Response:
        read_query(())
        cookie = request.cookies.get(COOKIE)
        login = None if cookie is None else logins.use(cookie, headend.wall_us())
        if login is not None:
            logins.end(login.id)
            note(AuditAction.LOG_OUT, login.name, f"log-in {login.id}")
        answer = reply({"ended": login is not None})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return answer

    @routes.get("/logins")
    async def list_logins() -> Response:
        read_query(())
        found = filter(may_see, logins.list(headend.wall_us()))
        return await reply_items([login_shape(login) for login in found])

    @routes.delete("/logins/<login_id>")
    async def end_login(login_id: str) -> Response:
        read_query(())
        known = {each.id: each for each in logins.list(headend.wall_us())}
        login = known.get(login_id)
        if login is None or not may_see(login):
            raise HttpProblem(
                404, f"no log-in has the id {login_id[:80]!r}; GET /logins lists them"
            )
        logins.end(login_id)
        by = current_sender().principal.name
        note(AuditAction.LOG_OUT, by, f"log-in {login.id} of {login.name}")
        return reply(login_shape(login))

    return routes


async def _read_token() -> str:
    body = await read_json()
    token = body.get("token") if isinstance(body, dict) else None
    if not isinstance(token, str) or set(body if isinstance(body, dict) else ()) != {"token"}:
        detail = 'write {"token": "…"}, and nothing else'
        raise HttpProblem(422, "the log-in cannot be used", [("/token", detail)])
    return token.strip()


def _set_cookie(answer: Response, value: str) -> None:
    # Until the browser ends: the headend ends the log-in anyway.
    answer.set_cookie(
        COOKIE,
        value,
        path="/",
        httponly=True,
        samesite="Strict",
        secure=request.scheme == "https",
    )

"""Operations on the headend itself: events, log-ins, health, documents."""

from derhead.api.openapi.answer_specs import answer, ok
from derhead.api.openapi.operations import AnswerSpec, Events, ListOf, Operation, Text
from derhead.api.openapi.parameters import KIND, LAST_EVENT_ID, LISTENED, LOGIN
from derhead.shapes import (
    EVENT_DATA,
    CallerJson,
    HealthJson,
    LoginJson,
    LoginOrderJson,
    LogOutJson,
    ReadinessJson,
)

EVENTS_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/events",
        id="tellEvents",
        tag="events",
        summary="Changes as they happen",
        description="Server-sent events: `hello`, `telemetry`, `agent`, `dispatch` and `alive`.",
        parameters=(KIND, *LISTENED, LAST_EVENT_ID),
        answers=ok(
            "An event stream that lasts as long as its reader.",
            Events(EVENT_DATA),
            "text/event-stream",
        ),
    ),
)

ACCESS_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="post",
        path="/login",
        id="logIn",
        right=None,
        tag="access",
        summary="Logs a browser in: a cookie for a token",
        description="The cookie is for the page. Programs send their token with each request.",
        body=LoginOrderJson,
        answers=ok("Who has logged in; the cookie is set.", CallerJson),
        problems=(408, 422),
    ),
    Operation(
        path="/login",
        id="showCaller",
        tag="access",
        summary="Who the sender of this request is",
        answers=ok("Name, role and sites.", CallerJson),
    ),
    Operation(
        method="delete",
        path="/login",
        id="logOut",
        right=None,
        tag="access",
        summary="Ends the log-in of the cookie that is sent",
        answers=ok("The cookie is useless from now on.", LogOutJson),
    ),
    Operation(
        path="/logins",
        id="listLogins",
        tag="access",
        summary="The sender's log-ins; to an administrator, all",
        answers=ok("Log-ins, the one used last first.", ListOf(LoginJson)),
    ),
    Operation(
        method="delete",
        path="/logins/{login_id}",
        id="endLogin",
        tag="access",
        summary="Ends a log-in of the sender, or for an administrator any",
        parameters=(LOGIN,),
        answers=ok("The log-in that has ended.", LoginJson),
    ),
)

SERVICE_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/healthz",
        id="tellHealth",
        right=None,
        tag="service",
        summary="Whether the headend can do its work",
        answers={
            200: answer("The headend can do its work.", HealthJson),
            503: answer("The headend cannot do its work.", HealthJson),
        },
        problems=(),
    ),
    Operation(
        path="/readyz",
        id="tellReadiness",
        right=None,
        tag="service",
        summary="Whether the headend takes records and orders, check by check",
        answers={
            200: answer("It takes them; `degraded` asks somebody to look.", ReadinessJson),
            503: answer("It does not take them.", ReadinessJson),
        },
    ),
    Operation(
        path="/metrics",
        id="tellMetrics",
        tag="service",
        summary="The headend's figures, for Prometheus",
        answers={
            200: AnswerSpec(
                description="Families named `derhead_…`, in the format that `Accept` prefers.",
                content={"text/plain": Text(), "application/openmetrics-text": Text()},
            )
        },
    ),
    Operation(
        path="/openapi.json",
        id="showOpenapi",
        right=None,
        tag="service",
        summary="This description",
        answers=ok("OpenAPI 3.1.", Text()),
    ),
    Operation(
        path="/docs",
        id="showDocs",
        right=None,
        tag="service",
        summary="This description, for people",
        answers=ok("A page.", Text(), "text/html"),
    ),
    Operation(
        path="/docs/problems",
        id="showProblems",
        right=None,
        tag="service",
        summary="The kinds of problems",
        answers=ok("A page.", Text(), "text/html"),
    ),
    Operation(
        path="/docs/style.css",
        id="showDocsStyle",
        right=None,
        tag="service",
        summary="The style sheet of these pages",
        answers=ok("A style sheet.", Text(), "text/css"),
    ),
)

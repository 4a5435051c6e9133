"""Every operation of the API. Tests compare this list with the routes, and every answer in a test
with its description here.
"""

from typing import get_args

from derhead.access import Right
from derhead.api.openapi.operations import (
    AnswerSpec,
    Content,
    Events,
    ListOf,
    Operation,
    Parameter,
    Schema,
    Text,
)
from derhead.events import KINDS
from derhead.shapes import (
    CSV_TYPE,
    DEFAULT_LIMIT,
    EVENT_DATA,
    JSON_TYPE,
    MAX_LIMIT,
    ActionName,
    AgentJson,
    AssetJson,
    AuditJson,
    BucketJson,
    CallerJson,
    DispatchJson,
    EntryJson,
    GapJson,
    GroupJson,
    HealthJson,
    HeartbeatJson,
    LoginJson,
    LoginOrderJson,
    LogOutJson,
    OrderJson,
    PreflightJson,
    ReadinessJson,
    SessionJson,
    SiteJson,
    SitePreflightJson,
    StateName,
    TelemetryJson,
)

TAGS = {
    "fleet": "Assets, sites and agents.",
    "telemetry": "Measurements of assets, now and before.",
    "dispatch": "Orders and dispatches.",
    "events": "Changes as they happen.",
    "heartbeat": "The health of agents, now and before.",
    "audit": "Who did what.",
    "access": "Who the sender is, and log-ins of browsers.",
    "service": "The headend itself.",
}


def _path(name: str, description: str) -> Parameter:
    schema: Schema = {"type": "string", "minLength": 1}
    return Parameter(name=name, place="path", schema=schema, description=description, required=True)


def _query(name: str, schema: Schema, description: str) -> Parameter:
    return Parameter(name=name, place="query", schema=schema, description=description)


_TIME: Schema = {"type": "string", "format": "date-time"}
_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}

ASSET = _path("asset", "The asset's UUID, or its unique name.")
SITE = _path("site", "The site's UUID, or its unique name.")
AGENT = _path("agent_id", "The agent's id.")
AGENT_OR_ASSET = _path(
    "agent_or_asset",
    "An agent's id; or the UUID or name of an asset, which stands for the agent that holds it or"
    " held it last.",
)
LOGIN = _path("login_id", "A log-in's id.")
DISPATCH = _path("dispatch_id", "UUID of a dispatch, or of an order to a site.")

RANGE = (
    _query("from", _TIME, "The earliest time, inclusive; left out: the beginning."),
    _query("to", _TIME, "The latest time, exclusive; left out: now."),
)
PAGE = (
    _query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "Number of items. CSV without a limit has all items; more than 1,000 are sent while they"
        " are read.",
    ),
    _query("cursor", _TEXT, "The `next_cursor` of the page before; keep the other parameters."),
)
FIELDS = _query(
    "fields",
    {"type": "string", "pattern": "^[a-z_0-9]{1,40}( *, *[a-z_0-9]{1,40})*$"},
    "The members of each item, separated by commas; left out: all.",
)
STEP = _query(
    "step",
    {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["15m"]},
    "Summarises `p_mw` in steps of this length, up to 31d, instead of listing samples.",
)
STATE = _query(
    "state",
    {"type": "array", "items": {"type": "string", "enum": list(get_args(StateName))}},
    "Only dispatches in these states; repeated, or a list with commas.",
)
AUDITED = (
    _query(
        "action",
        {"type": "array", "items": {"type": "string", "enum": list(get_args(ActionName))}},
        "Only these actions; repeated, or a list with commas.",
    ),
    _query(
        "caller", _TEXT, "Only what this caller did: a name, or the address of callers without one."
    ),
    _query("target", _TEXT, "Only what concerns this, such as a dispatch's UUID."),
    _query("site_id", _TEXT, "Only what concerns this site, by UUID or name."),
)
KIND = _query(
    "kind",
    {"type": "array", "items": {"type": "string", "enum": list(KINDS)}},
    "Only events of these kinds; repeated, or a list with commas.",
)
LISTENED = (
    _query("site_id", _TEXTS, "Only events of these sites, by UUID or name."),
    _query("asset_id", _TEXTS, "Only events of these assets, by UUID or name."),
)
LAST_EVENT_ID = Parameter(
    name="Last-Event-ID",
    place="header",
    schema={"type": "string"},
    description="The id of the last event that the reader had; the stream resumes after it.",
)
KEY = Parameter(
    name="Idempotency-Key",
    place="header",
    schema={"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    description="A name for the order: the same key with the same order gives the same dispatch.",
)


def _answer(description: str, content: Content, media: str = JSON_TYPE) -> AnswerSpec:
    return AnswerSpec(description=description, content={media: content})


def _ok(description: str, content: Content, media: str = JSON_TYPE) -> dict[int, AnswerSpec]:
    return {200: _answer(description, content, media)}


def _past(description: str, content: Content) -> dict[int, AnswerSpec]:
    return {
        200: AnswerSpec(
            description=description,
            content={
                JSON_TYPE: content,
                CSV_TYPE: Text(
                    "RFC 4180 with a header and a row for each item. Unknown values are empty."
                ),
            },
            headers={
                "Link": 'The next page, `rel="next"`, if it is known before the answer begins.'
            },
        )
    }


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        path="/assets",
        id="listAssets",
        tag="fleet",
        summary="Every asset of the fleet",
        parameters=(FIELDS,),
        answers=_past("All assets.", ListOf(AssetJson)),
    ),
    Operation(
        path="/sites",
        id="listSites",
        tag="fleet",
        summary="Every site: the power of its assets, and how far it could go up and down",
        parameters=(FIELDS,),
        answers=_past("All sites.", ListOf(SiteJson)),
    ),
    Operation(
        path="/sites/{site}",
        id="showSite",
        tag="fleet",
        summary="One site: the power of its assets, and how far it could go up and down",
        parameters=(SITE,),
        answers=_ok("The site.", SiteJson),
    ),
    Operation(
        path="/agents",
        id="listAgents",
        tag="fleet",
        summary="The connected agents",
        parameters=(FIELDS,),
        answers=_past("All agents with a live session.", ListOf(AgentJson)),
    ),
    Operation(
        path="/agents/{agent_id}/sessions",
        id="listSessions",
        tag="fleet",
        summary="An agent's sessions, newest first",
        parameters=(AGENT, *RANGE, *PAGE, FIELDS),
        answers=_past("Sessions.", ListOf(SessionJson)),
    ),
    Operation(
        path="/agents/{agent_id}/timeline",
        id="showTimeline",
        tag="fleet",
        summary="An agent's sessions, gaps and dispatches in one list, newest first",
        description="A gap appears at its start, a dispatch at the time of its order. The assets"
        " are those of the agent's newest session.",
        parameters=(AGENT, *RANGE, *PAGE),
        answers=_ok("A page of entries.", ListOf(EntryJson)),
    ),
    Operation(
        path="/telemetry",
        id="listTelemetry",
        tag="telemetry",
        summary="The newest telemetry of all assets",
        parameters=(FIELDS,),
        answers=_past("Every asset's newest sample.", ListOf(TelemetryJson)),
    ),
    Operation(
        path="/telemetry/{asset}",
        id="showTelemetry",
        tag="telemetry",
        summary="The newest telemetry of one asset",
        parameters=(ASSET,),
        answers=_ok("Its newest sample; nulls if it never sent one.", TelemetryJson),
    ),
    Operation(
        path="/telemetry/{asset}/history",
        id="listHistory",
        tag="telemetry",
        summary="An asset's samples, or summaries over steps of time, newest first",
        parameters=(ASSET, *RANGE, *PAGE, FIELDS, STEP),
        answers=_past(
            "Samples, or with `step` buckets.", (ListOf(TelemetryJson), ListOf(BucketJson))
        ),
    ),
    Operation(
        path="/telemetry/{asset}/gaps",
        id="listGaps",
        tag="telemetry",
        summary="The gaps in an asset's samples with their causes, newest first",
        parameters=(ASSET, *RANGE, *PAGE, FIELDS),
        answers=_past("Gaps.", ListOf(GapJson)),
    ),
    Operation(
        method="post",
        path="/dispatch",
        id="orderDispatch",
        right=Right.ORDER,
        tag="dispatch",
        summary="Orders an asset, or a whole site, to hold a power",
        description="With `dry_run` nothing is ordered; the answer says what it would lead to.",
        parameters=(KEY,),
        body=OrderJson,
        answers={
            200: _answer(
                "What the order would lead to; nothing was ordered.",
                (PreflightJson, SitePreflightJson),
            ),
            201: AnswerSpec(
                description="The order is on the headend's disk, and on its way.",
                content={JSON_TYPE: (DispatchJson, GroupJson)},
                headers={
                    "Location": "The path of the dispatch.",
                    "Idempotency-Replayed": "`true` if this order came with this key before.",
                },
            ),
        },
        problems=(408, 409, 415, 422),
    ),
    Operation(
        path="/dispatch/history",
        id="listDispatches",
        tag="dispatch",
        summary="All dispatches, newest first",
        parameters=(
            *RANGE,
            *PAGE,
            FIELDS,
            _query("asset_id", _TEXT, "Only of this asset, by UUID or name."),
            _query("site_id", _TEXT, "Only of this site's assets, by UUID or name."),
            STATE,
        ),
        answers=_past("Dispatches.", ListOf(DispatchJson)),
    ),
    Operation(
        path="/dispatch/{dispatch_id}",
        id="showDispatch",
        tag="dispatch",
        summary="A dispatch, or an order to a site with its parts",
        parameters=(DISPATCH,),
        answers=_ok("The dispatch, or the order to a site.", (DispatchJson, GroupJson)),
    ),
    Operation(
        method="delete",
        path="/dispatch/{dispatch_id}",
        id="withdrawDispatch",
        right=Right.ORDER,
        tag="dispatch",
        summary="Withdraws a dispatch, or an order to a site",
        parameters=(DISPATCH,),
        answers={
            200: _answer("The dispatch has ended.", (DispatchJson, GroupJson)),
            202: _answer(
                "The dispatch is being withdrawn; its agent has to confirm.",
                (DispatchJson, GroupJson),
            ),
        },
        problems=(409, 422),
    ),
    Operation(
        path="/heartbeat/{agent_or_asset}",
        id="showHeartbeat",
        tag="heartbeat",
        summary="An agent's newest heartbeat",
        parameters=(AGENT_OR_ASSET,),
        answers=_ok("Its newest heartbeat; nulls if it never sent one.", HeartbeatJson),
    ),
    Operation(
        path="/heartbeat/{agent_or_asset}/history",
        id="listHeartbeats",
        tag="heartbeat",
        summary="An agent's heartbeats, newest first",
        parameters=(AGENT_OR_ASSET, *RANGE, *PAGE, FIELDS),
        answers=_past("Heartbeats.", ListOf(HeartbeatJson)),
    ),
    Operation(
        path="/audit",
        id="listAudit",
        tag="audit",
        summary="The audit trail: who ordered, withdrew or was refused what, newest first",
        description="Kept for 400 days. Nothing edits an entry.",
        parameters=(*RANGE, *PAGE, FIELDS, *AUDITED),
        answers=_past("Entries.", ListOf(AuditJson)),
    ),
    Operation(
        path="/events",
        id="tellEvents",
        tag="events",
        summary="Changes as they happen",
        description="Server-sent events: `hello`, `telemetry`, `agent`, `dispatch` and `alive`.",
        parameters=(KIND, *LISTENED, LAST_EVENT_ID),
        answers=_ok(
            "An event stream that lasts as long as its reader.",
            Events(EVENT_DATA),
            "text/event-stream",
        ),
    ),
    Operation(
        method="post",
        path="/login",
        id="logIn",
        right=None,
        tag="access",
        summary="Logs a browser in: a cookie for a token",
        description="The cookie is for the page. Programs send their token with each request.",
        body=LoginOrderJson,
        answers=_ok("Who has logged in; the cookie is set.", CallerJson),
        problems=(408, 422),
    ),
    Operation(
        path="/login",
        id="showCaller",
        tag="access",
        summary="Who the sender of this request is",
        answers=_ok("Name, role and sites.", CallerJson),
    ),
    Operation(
        method="delete",
        path="/login",
        id="logOut",
        right=None,
        tag="access",
        summary="Ends the log-in of the cookie that is sent",
        answers=_ok("The cookie is useless from now on.", LogOutJson),
    ),
    Operation(
        path="/logins",
        id="listLogins",
        tag="access",
        summary="The sender's log-ins; to an administrator, all",
        answers=_ok("Log-ins, the one used last first.", ListOf(LoginJson)),
    ),
    Operation(
        method="delete",
        path="/logins/{login_id}",
        id="endLogin",
        tag="access",
        summary="Ends a log-in of the sender, or for an administrator any",
        parameters=(LOGIN,),
        answers=_ok("The log-in that has ended.", LoginJson),
    ),
    Operation(
        path="/healthz",
        id="tellHealth",
        right=None,
        tag="service",
        summary="Whether the headend can do its work",
        answers={
            200: _answer("The headend can do its work.", HealthJson),
            503: _answer("The headend cannot do its work.", HealthJson),
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
            200: _answer("It takes them; `degraded` asks somebody to look.", ReadinessJson),
            503: _answer("It does not take them.", ReadinessJson),
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
        answers=_ok("OpenAPI 3.1.", Text()),
    ),
    Operation(
        path="/docs",
        id="showDocs",
        right=None,
        tag="service",
        summary="This description, for people",
        answers=_ok("A page.", Text(), "text/html"),
    ),
    Operation(
        path="/docs/problems",
        id="showProblems",
        right=None,
        tag="service",
        summary="The kinds of problems",
        answers=_ok("A page.", Text(), "text/html"),
    ),
    Operation(
        path="/docs/style.css",
        id="showDocsStyle",
        right=None,
        tag="service",
        summary="The style sheet of these pages",
        answers=_ok("A style sheet.", Text(), "text/css"),
    ),
)

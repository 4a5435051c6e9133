"""The parameters of the API's operations: pure."""

from typing import get_args

from derhead.api.openapi.operations import Parameter, Schema
from derhead.events import KINDS
from derhead.shapes import DEFAULT_LIMIT, MAX_LIMIT, ActionName, ScopeName, StateName


def in_path(name: str, description: str) -> Parameter:
    """A parameter that is a part of the path."""
    schema: Schema = {"type": "string", "minLength": 1}
    return Parameter(name=name, place="path", schema=schema, description=description, required=True)


def in_query(name: str, schema: Schema, description: str) -> Parameter:
    """A parameter of the query, which may be left out."""
    return Parameter(name=name, place="query", schema=schema, description=description)


TIME: Schema = {"type": "string", "format": "date-time"}
TEXT: Schema = {"type": "string"}
TEXTS: Schema = {"type": "array", "items": TEXT}

ASSET = in_path("asset", "The asset's UUID, or its unique name.")
SITE = in_path("site", "The site's UUID, or its unique name.")
AGENT = in_path("agent_id", "The agent's id.")
AGENT_OR_ASSET = in_path(
    "agent_or_asset",
    "An agent's id; or the UUID or name of an asset, which stands for the agent that holds it or"
    " held it last.",
)
LOGIN = in_path("login_id", "A log-in's id.")
DISPATCH = in_path("dispatch_id", "UUID of a dispatch, or of an order to a site.")

RANGE = (
    in_query("from", TIME, "The earliest time, inclusive; left out: the beginning."),
    in_query("to", TIME, "The latest time, exclusive; left out: now."),
)
PAGE = (
    in_query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT},
        "Number of items. CSV without a limit has all items; more than 1,000 are sent while they"
        " are read.",
    ),
    in_query("cursor", TEXT, "The `next_cursor` of the page before; keep the other parameters."),
)
FIELDS = in_query(
    "fields",
    {"type": "string", "pattern": "^[a-z_0-9]{1,40}( *, *[a-z_0-9]{1,40})*$"},
    "The members of each item, separated by commas; left out: all.",
)
STEP = in_query(
    "step",
    {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$", "examples": ["15m"]},
    "Summarises `p_mw` in steps of this length, up to 31d, instead of listing samples.",
)
STATE = in_query(
    "state",
    {"type": "array", "items": {"type": "string", "enum": list(get_args(StateName))}},
    "Only dispatches in these states; repeated, or a list with commas.",
)
AUDITED = (
    in_query(
        "action",
        {"type": "array", "items": {"type": "string", "enum": list(get_args(ActionName))}},
        "Only these actions; repeated, or a list with commas.",
    ),
    in_query(
        "caller", TEXT, "Only what this caller did: a name, or the address of callers without one."
    ),
    in_query("target", TEXT, "Only what concerns this, such as a dispatch's UUID."),
    in_query("site_id", TEXT, "Only what concerns this site, by UUID or name."),
)
LEVELS = (
    in_query(
        "by",
        {"type": "string", "enum": list(get_args(ScopeName)), "default": "fleet"},
        "What each item sums up.",
    ),
    in_query("site_id", TEXT, "Only assets of this site, by UUID or name."),
    in_query("asset_id", TEXT, "Only this asset, by UUID or name."),
    in_query(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT},
        "At most so many items, the worst ones; left out: all.",
    ),
)
KIND = in_query(
    "kind",
    {"type": "array", "items": {"type": "string", "enum": list(KINDS)}},
    "Only events of these kinds; repeated, or a list with commas.",
)
LISTENED = (
    in_query("site_id", TEXTS, "Only events of these sites, by UUID or name."),
    in_query("asset_id", TEXTS, "Only events of these assets, by UUID or name."),
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

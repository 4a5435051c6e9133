"""The data of REST without a server: queries and bodies, records as JSON, lists as text.

All of it is pure and none of it knows HTTP, so that ``derhead export`` uses it too.
``/openapi.json`` is made from these types, so answers and their description cannot differ. Layers,
from the ground up::

    record_shapes/    what the headend keeps, as JSON: fleet, agents, telemetry, levels, dispatches
    json_body         parses what a caller sends
    list_text         lists as JSON, CSV and JSON Lines
    query_parameters  which part of a history is wanted
    preflight_json    what an order would lead to
    timeline_json     what happened to an agent
    event_json        the events of /events
    login_json        who the sender is, and log-ins
    service_json      the headend's own state, and problems
"""

from derhead.shapes.event_json import EVENT_DATA, alive_shape, event_shape, hello_shape
from derhead.shapes.json_body import BadJson, parse_json
from derhead.shapes.list_text import (
    CSV_TYPE,
    JSON_TYPE,
    CsvList,
    JsonLines,
    JsonList,
    ListText,
    columns_of,
    dump,
)
from derhead.shapes.login_json import (
    CallerJson,
    LoginJson,
    LoginOrderJson,
    LogOutJson,
    caller_shape,
    login_shape,
)
from derhead.shapes.preflight_json import (
    PreflightJson,
    SitePreflightJson,
    preflight_shape,
    site_preflight_shape,
)
from derhead.shapes.query_parameters import (
    DEFAULT_LIMIT,
    FIELDS,
    MAX_LIMIT,
    PAGE,
    RANGE,
    BadQuery,
    Query,
    parse_query,
)
from derhead.shapes.record_shapes.agent_json import (
    AgentJson,
    ConnectedAgent,
    HeartbeatJson,
    SessionJson,
    agent_shape,
    heartbeat_shape,
    session_shape,
)
from derhead.shapes.record_shapes.audit_json import AuditJson, audit_shape
from derhead.shapes.record_shapes.dispatch_json import DispatchJson, OrderJson, dispatch_shape
from derhead.shapes.record_shapes.fleet_json import AssetJson, SiteJson, asset_shape, site_shape
from derhead.shapes.record_shapes.group_json import GroupJson, group_shape
from derhead.shapes.record_shapes.level_json import LevelJson, level_shape
from derhead.shapes.record_shapes.telemetry_json import (
    BucketJson,
    GapJson,
    SampleJson,
    TelemetryJson,
    bucket_shape,
    gap_shape,
    sample_shape,
    telemetry_shape,
)
from derhead.shapes.record_shapes.values import ActionName, Json, ScopeName, StateName
from derhead.shapes.service_json import HealthJson, ProblemJson, ReadinessJson
from derhead.shapes.timeline_json import (
    EntryJson,
    Place,
    TimelineEntry,
    entry_shape,
    of_dispatch,
    of_gap,
    of_session,
)

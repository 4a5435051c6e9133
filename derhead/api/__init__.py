"""REST: the headend's HTTP API."""

from derhead.api.answers import (
    BucketJson,
    DispatchJson,
    GapJson,
    HeartbeatJson,
    SampleJson,
    SessionJson,
)
from derhead.api.app import RestApp, create_app
from derhead.api.dispatch_shapes import dispatch_shape
from derhead.api.params import BadQuery, Query, parse_query
from derhead.api.shapes import (
    bucket_shape,
    gap_shape,
    heartbeat_shape,
    lasting_shape,
    session_shape,
)
from derhead.api.tables import CsvList, JsonLines, ListText, columns_of
from derhead.api.view import AgentView, HeadendView, HistoryReader

__all__ = [
    "BadQuery",
    "BucketJson",
    "CsvList",
    "DispatchJson",
    "GapJson",
    "HeartbeatJson",
    "JsonLines",
    "ListText",
    "Query",
    "SampleJson",
    "SessionJson",
    "bucket_shape",
    "columns_of",
    "dispatch_shape",
    "gap_shape",
    "heartbeat_shape",
    "lasting_shape",
    "parse_query",
    "session_shape",
    "AgentView",
    "HeadendView",
    "HistoryReader",
    "RestApp",
    "create_app",
]

"""REST: the headend's HTTP API, and the server that it runs on."""

from derhead.api.app import RestApp, create_app
from derhead.api.limits import HttpLimits
from derhead.api.server import HttpServer, HttpStatistics, serve_http
from derhead.api.view import AgentView, HeadendView, HistoryReader

__all__ = [
    "AgentView",
    "HeadendView",
    "HistoryReader",
    "HttpLimits",
    "HttpServer",
    "HttpStatistics",
    "RestApp",
    "create_app",
    "serve_http",
]

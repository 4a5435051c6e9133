"""An HTTP server for one app: HTTP/1.1 and HTTP/2, with a bound on all that a client may take.

It knows HTTP, and nothing of DER. Hypercorn parses and frames; this package owns the accept
loop, the connections, their deadlines and their bounds. Layers, from the ground up::

    http_limits          what one client may take
    request_head         what a request's header may be
    request_ids          a name for every request
    fast_lane            what an app may answer without Hypercorn and ASGI
    http_app             what the server needs of the app
    hypercorn_protocols  Hypercorn's HTTP/1.1 and HTTP/2, with what they lack
    http_connection      one connection, from its first byte to its last
    http_server          the accept loop
"""

from derhead.httpserver.fast_lane import FastLane, LaneRequest
from derhead.httpserver.http_app import AnswerCut, HttpApp
from derhead.httpserver.http_limits import HttpLimits
from derhead.httpserver.http_server import HttpServer, HttpStatistics, serve_http
from derhead.httpserver.request_head import PlainRequest, find_end, read_plain

__all__ = [
    "AnswerCut",
    "FastLane",
    "HttpApp",
    "HttpLimits",
    "HttpServer",
    "HttpStatistics",
    "LaneRequest",
    "PlainRequest",
    "find_end",
    "read_plain",
    "serve_http",
]

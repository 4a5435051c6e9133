"""An HTTP server for one app: HTTP/1.1 and HTTP/2, with a bound on all that a client may take.

The package knows HTTP and nothing of DER. Hypercorn parses and frames; this package owns the accept
loop, the connections, their deadlines and their bounds. Layers, from the ground up::

    http_bounds/      what clients may take, and who gives way: pure
    tls_ends          a connection's handshake and its close
    stream_addresses  where a stream comes from
    shields           shields with a deadline
    sender            sending in order, piece by piece
    request_counts    answers by status, and how long they took: pure
    fast_lane         what an app may answer without Hypercorn and ASGI
    http_app          what the server needs of the app
    protocols/        Hypercorn's HTTP/1.1 and HTTP/2, with what they lack
    app_call          one request to the app
    http_connection   one connection, from its first byte to its last
    http_server       the accept loop
"""

from derhead.httpserver.fast_lane import FastLane, LaneRequest
from derhead.httpserver.http_app import AnswerCut, HttpApp
from derhead.httpserver.http_bounds.http_limits import HttpLimits
from derhead.httpserver.http_server import HttpServer, HttpStatistics, serve_http
from derhead.httpserver.protocols.request_head import find_end, read_fields, read_line
from derhead.httpserver.protocols.request_ids import RequestIds

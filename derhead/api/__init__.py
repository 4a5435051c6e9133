"""The headend's HTTP API: an app that answers for one headend. ``derhead.httpserver`` serves it.

``derhead.shapes`` holds the types of requests and answers. Layers, from the ground up::

    answering    how a request is refused, and how an answer is made and finished
    latest       the newest telemetry as text, rendered once for all who ask
    openapi      the API's own description
    routes       the endpoints
    app          all endpoints, errors, and what else serves callers
    standby_app  the answers of a headend that waits for its database
"""

from derhead.api.answering.trusted_hosts import TrustedHosts
from derhead.api.app import HeadendParts, RestApp, create_app
from derhead.api.standby_app import create_standby_app

"""Every operation of the API. Tests compare this list with the routes, and every answer in a test
with its description here.
"""

from derhead.api.openapi.fleet_operations import (
    FLEET_OPERATIONS,
    HEARTBEAT_OPERATIONS,
    LEVEL_OPERATIONS,
    TELEMETRY_OPERATIONS,
)
from derhead.api.openapi.operations import Operation
from derhead.api.openapi.order_operations import AUDIT_OPERATIONS, DISPATCH_OPERATIONS
from derhead.api.openapi.service_operations import (
    ACCESS_OPERATIONS,
    EVENTS_OPERATIONS,
    SERVICE_OPERATIONS,
)

TAGS = {
    "fleet": "Assets, sites and agents.",
    "telemetry": "Measurements of assets, now and before.",
    "dispatch": "Orders and dispatches.",
    "events": "Changes as they happen.",
    "heartbeat": "The health of agents, now and before.",
    "slo": "How well the promises to the operator held.",
    "audit": "Who did what.",
    "access": "Who the sender is, and log-ins of browsers.",
    "service": "The headend itself.",
}

OPERATIONS: tuple[Operation, ...] = (
    *FLEET_OPERATIONS,
    *TELEMETRY_OPERATIONS,
    *DISPATCH_OPERATIONS,
    *HEARTBEAT_OPERATIONS,
    *LEVEL_OPERATIONS,
    *AUDIT_OPERATIONS,
    *EVENTS_OPERATIONS,
    *ACCESS_OPERATIONS,
    *SERVICE_OPERATIONS,
)

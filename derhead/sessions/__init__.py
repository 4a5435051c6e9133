"""Sessions: a supervised task group for each agent's stream.

Rooms, from the ground up; each imports only from those before it:

- ``terms``: a session's limits, its record and its end.
- ``admission``: who may come in, and what is remembered of who was here; pure.
- ``streams``: one agent's stream, receiving and sending.
- ``service``: all of them.
"""

from derhead.sessions.admission.register import AGENT_ID
from derhead.sessions.service import Sessions, SessionStatistics
from derhead.sessions.terms.session_limits import SessionLimits
from derhead.sessions.terms.session_records import HeartbeatRecord, SessionRecord

__all__ = [
    "AGENT_ID",
    "HeartbeatRecord",
    "SessionLimits",
    "SessionRecord",
    "SessionStatistics",
    "Sessions",
]

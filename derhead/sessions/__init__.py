"""Sessions: a supervised task group for each agent's stream."""

from derhead.sessions.limits import SessionLimits
from derhead.sessions.records import HeartbeatRecord, SessionRecord
from derhead.sessions.register import AGENT_ID
from derhead.sessions.service import Sessions, SessionStatistics

__all__ = [
    "AGENT_ID",
    "HeartbeatRecord",
    "SessionLimits",
    "SessionRecord",
    "SessionStatistics",
    "Sessions",
]

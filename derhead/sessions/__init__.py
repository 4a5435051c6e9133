"""Sessions: a supervised task group for each agent's stream."""

from derhead.sessions.records import HeartbeatRecord, SessionRecord
from derhead.sessions.service import Sessions, SessionStatistics
from derhead.sessions.session import SessionLimits

__all__ = [
    "HeartbeatRecord",
    "SessionLimits",
    "SessionRecord",
    "SessionStatistics",
    "Sessions",
]

"""Sessions: a supervised task group for each agent's stream."""

from derhead.sessions.records import HeartbeatRecord, SessionRecord

__all__ = ["HeartbeatRecord", "SessionRecord"]

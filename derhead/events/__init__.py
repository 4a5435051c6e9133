"""Events: what changes, told to whoever listens, as it happens."""

from derhead.events.records import AgentEvent, Change, DispatchEvent, LoggedEvent, LogSpan

__all__ = ["AgentEvent", "Change", "DispatchEvent", "LogSpan", "LoggedEvent"]

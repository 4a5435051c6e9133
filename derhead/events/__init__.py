"""Events: what changes, told to whoever listens, as it happens."""

from derhead.events.board import Look
from derhead.events.filters import KINDS, Filter
from derhead.events.hub import EventHub, EventLog, EventStatistics, TooManyReaders
from derhead.events.records import AgentEvent, Change, DispatchEvent, LoggedEvent, LogSpan
from derhead.events.subscription import Subscription
from derhead.events.texts import EventTexts, TelemetryTexts

__all__ = [
    "AgentEvent",
    "Change",
    "DispatchEvent",
    "EventHub",
    "EventLog",
    "EventStatistics",
    "EventTexts",
    "Filter",
    "KINDS",
    "LogSpan",
    "LoggedEvent",
    "Look",
    "Subscription",
    "TelemetryTexts",
    "TooManyReaders",
]

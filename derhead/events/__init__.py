"""Events: what changes, told to whoever listens, as it happens."""

from derhead.events.board import Look
from derhead.events.filters import KINDS, Filter
from derhead.events.hub import EventHub, EventLog, EventStatistics, TooManyReaders
from derhead.events.logged_events import Change, DispatchEvent, LoggedEvent, LogSpan, SessionEvent
from derhead.events.subscription import Subscription
from derhead.events.texts import EventTexts, TelemetryTexts

__all__ = [
    "SessionEvent",
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

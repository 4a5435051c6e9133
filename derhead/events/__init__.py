"""Events: tells every reader of ``/events`` what changes, as it happens.

Layers, from the ground up::

    logged_events  what the journal's log holds
    filters        which events a reader wants
    frames         events as bytes of a stream
    board          which assets changed since a reader's last look
    ring           the newest events of the log, in memory
    texts          rendering that the hub borrows from the API
    audience       the readers with one filter, and their frames
    subscription   one reader
    hub            the tasks, and all readers
"""

from derhead.events.board import Look
from derhead.events.filters import KINDS, Filter
from derhead.events.hub import MAX_READERS, EventHub, EventLog, EventStatistics, TooManyReaders
from derhead.events.logged_events import Change, DispatchEvent, LoggedEvent, LogSpan, SessionEvent
from derhead.events.subscription import Subscription
from derhead.events.texts import EventTexts, TelemetryTexts

"""The newest events of the log, in memory, for the readers that keep up: pure."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from derhead.events.logged_events import LoggedEvent

EVENTS_IN_MEMORY = 1_000
"""Events of the log in memory, about 2 MB. When full, the oldest goes; a reader further behind
reads the journal."""


@dataclass(slots=True)
class RingEntry:
    """An event, and its bytes once a reader has wanted them."""

    event: LoggedEvent
    rendered: bytes | None = None

    def text(self, render: Callable[[LoggedEvent], bytes]) -> bytes:
        if self.rendered is None:
            self.rendered = render(self.event)
        return self.rendered


class Ring:
    """All events from ``after`` to ``newest``, in the order of their ids."""

    def __init__(self, after: int) -> None:
        self.after = after
        """The ring holds all events with greater ids, up to ``newest``."""
        self.newest = after
        self._entries: deque[RingEntry] = deque()

    def extend(self, events: Sequence[LoggedEvent]) -> None:
        """Adds the events that follow ``newest``."""
        for event in events:
            self._entries.append(RingEntry(event))
            self.newest = event.id
            if len(self._entries) > EVENTS_IN_MEMORY:
                self.after = self._entries.popleft().event.id

    def since(self, event_id: int) -> Sequence[RingEntry] | None:
        """The events with greater ids; None if the ring has dropped some of them."""
        if event_id < self.after:
            return None
        found: list[RingEntry] = []
        for entry in reversed(self._entries):
            if entry.event.id <= event_id:
                break
            found.append(entry)
        found.reverse()
        return found

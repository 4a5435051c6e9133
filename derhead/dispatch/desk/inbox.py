"""The queue in which orders and reports wait for the desk."""

from collections import deque
from dataclasses import dataclass, field

import trio

from derhead.dispatch.desk.inputs import CallerRequest, DeskInput, SessionOpened
from derhead.dispatch.life.dispatches import Dispatch

INBOX_EVENTS = 1024
"""Orders and reports that wait for the desk. When full, the sender waits: an HTTP request, or a
session's reader and, through flow control, its agent. The openings and ends of sessions always
fit."""

BATCH_EVENTS = 256
"""Events decided together and written in one commit; each report of a Register counts as one. When
full, the rest go into the next commit."""


@dataclass(eq=False, slots=True)
class WaitingRequest:
    """A request whose caller waits for the answer."""

    ask: CallerRequest
    claimed: bool = False
    """The desk has begun, and the request can no longer be taken back."""
    withdrawn: bool = False
    """The caller no longer waits, and the desk has not begun."""
    answered: trio.Event = field(default_factory=trio.Event)
    result: tuple[Dispatch, ...] | Exception = ()

    def answer(self, result: tuple[Dispatch, ...] | Exception) -> None:
        self.result = result
        self.answered.set()


InboxItem = WaitingRequest | DeskInput


class Inbox:
    """A first-in, first-out queue for the desk.

    When full: ``put`` waits. ``put_nowait`` never waits: it serves one opening, one end and one
    notice of room for each session, changes of the fleet, and items for which ``has_room`` was
    checked.
    """

    def __init__(self) -> None:
        self._items: deque[InboxItem] = deque()
        self._room = trio.lowlevel.ParkingLot()
        self._filled = trio.Event()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def has_room(self) -> bool:
        """Whether ``put`` would not wait."""
        return len(self._items) < INBOX_EVENTS

    async def put(self, item: InboxItem) -> None:
        while not self.has_room:
            await self._room.park()
        self.put_nowait(item)
        await trio.lowlevel.checkpoint()

    def put_nowait(self, item: InboxItem) -> None:
        self._items.append(item)
        self._filled.set()

    async def wait_filled(self) -> None:
        await self._filled.wait()

    def take_nowait(self) -> list[InboxItem]:
        taken: list[InboxItem] = []
        events = 0
        while self._items and events < BATCH_EVENTS:
            taken.append(self._items.popleft())
            events += _events_in(taken[-1])
        if not self._items:
            self._filled = trio.Event()
        self._room.unpark(count=len(taken))
        return taken


def _events_in(item: InboxItem) -> int:
    return max(1, len(item.reports)) if isinstance(item, SessionOpened) else 1

"""One reader of events: its place in telemetry and in the log, and its next bytes."""

import weakref
from typing import Any, Protocol, Self

import trio

from derhead.errors import JournalError
from derhead.events.audience import Audience
from derhead.events.filters import Filter
from derhead.events.frames import RETRY
from derproto.stdio.log_events import event_log

log = event_log(__name__)

ALIVE_S = 10.0
"""Time between two signs of life."""


class ReaderHub(Protocol):
    """The part of the hub that a reader uses."""

    @property
    def ended(self) -> bool:
        """All streams end."""

    def leave(self, audience: Audience) -> None:
        """Counts one reader less."""

    @property
    def news(self) -> int:
        """Counts news; readers wait for it to rise."""

    async def wait_news(self, seen: int) -> None:
        """Returns once ``news`` exceeds ``seen``, or the hub has ended."""

    def hello(self, resumed: bool, position: int) -> bytes: ...

    def alive(self, position: int) -> bytes: ...

    async def telemetry(self, audience: Audience, look: int) -> tuple[int, bytes]:
        """The number of the newest look, and the changes after ``look``."""

    async def logged(self, wanted: Filter, position: int) -> tuple[int, list[bytes]] | None:
        """Some events after ``position``, and the position that they reach; None if some are
        gone."""


class Subscription:
    """Enter it, then iterate for the stream's bytes. It ends with the hub or with its audience.

    A subscription holds its place in ``audience`` from its creation, and gives the place back on
    exit. It also does so when it becomes garbage: an answer may be given up before its first byte.

    Bytes are made on demand, so a late reader gets the newest state, and every event of the log.
    The stream also ends if events are gone or the journal is unreadable: a reader that reconnects
    then learns which of the two.
    """

    def __init__(
        self, source: ReaderHub, audience: Audience, position: int, *, resumed: bool
    ) -> None:
        self._source = source
        self._audience = audience
        self._wanted = audience.wanted
        self._position = position
        self._resumed = resumed
        self._look = 0
        self._alive_due_s = float("-inf")
        self._leave = weakref.finalize(self, source.leave, audience)
        self._leave.atexit = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: Any) -> None:
        self._leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._alive_due_s < 0:
            self._alive_due_s = trio.current_time() + ALIVE_S
            return RETRY + self._source.hello(self._resumed, self._position)
        while not self._source.ended and not self._audience.ended:
            # Read first: the reader must not sleep through news that comes while a frame is made.
            seen = self._source.news
            try:
                told = await self._take(self._audience)
            except JournalError as error:
                log.warning("reader of events is disconnected", reason=error)
                break
            if told is None:
                break
            if told:
                return told[0] if len(told) == 1 else b"".join(told)
            with trio.move_on_at(self._alive_due_s):
                await self._source.wait_news(seen)
        raise StopAsyncIteration

    async def _take(self, audience: Audience) -> list[bytes] | None:
        """The bytes that are ready now; None if the stream must end."""
        told: list[bytes] = []
        if self._wanted.logged:
            events = await self._source.logged(self._wanted, self._position)
            if events is None:
                return None
            self._position, told = events
        if self._wanted.telemetry:
            self._look, data = await self._source.telemetry(audience, self._look)
            if data:
                told.append(data)
        if trio.current_time() >= self._alive_due_s:
            self._alive_due_s = trio.current_time() + ALIVE_S
            told.append(self._source.alive(self._position))
        return told

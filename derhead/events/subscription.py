"""One reader of events: its place in what is told, and what comes next."""

import logging
import weakref
from types import TracebackType
from typing import Protocol, Self

import trio

from derhead.errors import JournalError
from derhead.events.audience import Audience
from derhead.events.filters import Filter
from derhead.events.frames import RETRY

log = logging.getLogger(__name__)

ALIVE_S = 10.0
"""Between two signs of life to a reader."""


class EventSource(Protocol):
    """What a reader needs of the hub."""

    @property
    def ended(self) -> bool:
        """Nothing more is told."""

    def leave(self, audience: Audience) -> None:
        """One of them reads no more."""

    @property
    def news(self) -> int:
        """How often there was something new."""

    async def wait_news(self, seen: int) -> None:
        """Returns when ``news`` is more than that, or nothing more is told."""

    def hello(self, resumed: bool, position: int) -> bytes: ...

    def alive(self, position: int) -> bytes: ...

    async def telemetry(self, audience: Audience, look: int) -> tuple[int, bytes]:
        """What changed after that look, and up to which look that is."""

    async def logged(self, wanted: Filter, position: int) -> tuple[int, list[bytes]] | None:
        """Some of the events after that one, and up to which; None if some of them are gone."""


class Subscription:
    """Enter it, then iterate for the stream's bytes; it ends when the hub does.

    It has its place in ``audience`` from the beginning, and gives it back when it is left, or
    when nobody has it any more: an answer may be given up before its first byte.

    What it gives is made when it is asked for, so a reader that is late is told of the newest
    state, and of each event of the log. It also ends where it cannot go on without a hole, or
    the journal cannot be read: whoever comes back then learns which of these it was.
    """

    def __init__(
        self, source: EventSource, audience: Audience, position: int, *, resumed: bool
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

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._alive_due_s < 0:
            self._alive_due_s = trio.current_time() + ALIVE_S
            return RETRY + self._source.hello(self._resumed, self._position)
        while not self._source.ended:
            # Before the look: what comes while this one waits for a frame is not slept through.
            seen = self._source.news
            try:
                told = await self._take(self._audience)
            except JournalError as error:
                log.warning("a reader of events is sent away: %s", error)
                break
            if told is None:
                break
            if told:
                return told[0] if len(told) == 1 else b"".join(told)
            with trio.move_on_at(self._alive_due_s):
                await self._source.wait_news(seen)
        raise StopAsyncIteration

    async def _take(self, audience: Audience) -> list[bytes] | None:
        """What there is to tell now; None if the stream must end."""
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

"""Events without an end: over breaks of the stream, with the last id that was had."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import trio

from derhead.client.eventstream import StreamEvent
from derhead.client.http import HttpClient, Listening, Unreachable

RETRY_S = 2.0
"""Pause before a lost stream is asked for again."""


class Following:
    """The events that a query asks for. Enter it, then take one after another.

    Entering raises Unreachable or Refused; a stream that is lost later is asked for again until
    the headend answers, and ``tell`` is told once each time. Then comes a ``hello`` anew, which
    says whether events were missed.
    """

    def __init__(
        self, client: HttpClient, query: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        self._client = client
        self._query = query
        self._tell = tell
        self._stack = AsyncExitStack()
        self._listening: Listening | None = None
        self._last_id: str | None = None

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def next(self) -> StreamEvent:
        """The next event. Raises: Refused, if the headend would not have it again."""
        told = False
        while True:
            try:
                if self._listening is None:
                    await self._open()
                return await self._read()
            except Unreachable as lost:
                await self._stack.aclose()
                self._listening = None
                if not told:
                    self._tell(f"{lost}; trying again")
                told = True
                await trio.sleep(RETRY_S)

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        self._listening = await self._stack.enter_async_context(
            self._client.listen(self._query, self._last_id)
        )

    async def _read(self) -> StreamEvent:
        assert self._listening is not None
        event = await self._listening.next()
        self._last_id = self._listening.last_id
        return event

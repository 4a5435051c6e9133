"""An endless series of events that continues after breaks of the stream."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, Self

import trio
from httpx2 import ServerSentEvent

from derhead.client.rest.headend_client import EventStream, HeadendClient, HeadendUnreachable

RETRY_S = 2.0
"""Pause before the client asks for a lost stream again."""


class Following:
    """A stream of events that survives breaks. Enter it, then take one event after another.

    Entering raises HeadendUnreachable or RequestRefused. If the stream is lost later, ``next``
    prints that with ``tell``, and opens a new stream after the last id as soon as the headend
    answers. The new stream begins with a ``hello``, which says whether events were missed.
    """

    def __init__(
        self, client: HeadendClient, query: Mapping[str, str], tell: Callable[[str], None]
    ) -> None:
        self._client = client
        self._query = query
        self._tell = tell
        self._stack = AsyncExitStack()
        self._stream: EventStream | None = None
        self._last_id: str | None = None

    async def __aenter__(self) -> Self:
        self._stream = await self._open()
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self._stack.aclose()

    async def next(self) -> ServerSentEvent:
        """The next event. Raises: RequestRefused, if the headend refuses the stream again."""
        told = False
        while True:
            try:
                if self._stream is None:
                    self._stream = await self._open()
                event = await self._stream.next()
            except HeadendUnreachable as lost:
                self._stream = None
                await self._stack.aclose()
                if not told:
                    self._tell(f"{lost}; trying again")
                told = True
                await trio.sleep(RETRY_S)
            else:
                self._last_id = self._stream.last_id
                return event

    async def _open(self) -> EventStream:
        self._stack = AsyncExitStack()
        return await self._stack.enter_async_context(
            self._client.events(self._query, self._last_id)
        )

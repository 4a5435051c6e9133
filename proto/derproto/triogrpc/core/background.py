"""Background tasks of an ``async with`` block."""

from types import TracebackType

import trio


class background_nursery:
    """A nursery whose tasks serve the block; leaving the block cancels them.

    An exception of the block passes unchanged; a nursery would wrap it in a group. So the caller
    need not know that there are tasks.

    Raises: a group, if one of the tasks raised.
    """

    async def __aenter__(self) -> trio.Nursery:
        self._manager = trio.open_nursery()
        self._nursery = await self._manager.__aenter__()
        return self._nursery

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._nursery.cancel_scope.cancel()
        await self._manager.__aexit__(None, None, None)

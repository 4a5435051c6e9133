"""What service levels are made of after an hour: stored hours and gaps of one asset, all pages."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from derhead.gaps import GapRecord
from derhead.history.sql.cursors import Page
from derhead.history.sql.histories import Histories
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.service_levels import LevelHour

T = TypeVar("T")

PAGE_ITEMS = 200
"""Hours or gaps that one query reads: a week's hours, and less than a millisecond of the loop."""


class LevelPast:
    """The past of both stores. Raises: JournalError."""

    def __init__(self, history: Histories) -> None:
        self._history = history

    async def hours(self, asset_id: str, from_us: int) -> Sequence[LevelHour]:
        """Service levels of the asset's hours since then."""
        return await _all(partial(self._history.service_levels, asset_id), from_us)

    async def gaps(self, asset_id: str, from_us: int) -> Sequence[GapRecord]:
        """The asset's gaps that reach into the time since then."""
        return await _all(partial(self._history.gaps, asset_id), from_us)


async def _all(ask: Callable[[PageRequest], Awaitable[Page[T]]], from_us: int) -> list[T]:
    found: list[T] = []
    cursor: str | None = None
    while True:
        page = await ask(PageRequest(PAGE_ITEMS, TimeRange(from_us), cursor))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found

"""Histories of any length as answers: read, rendered and sent page by page.

A history of one page is an answer like any other. A longer one is sent while it is read: the next
page is read once the client's connection has taken the one before. So a million rows cost no more
memory than a thousand. The answer begins after the first page was read, so a wrong query gets a
problem. A later failure can only cut the answer off: the connection is reset, so that no client
takes a partial answer for a complete one.
"""

import weakref
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import trio
from quart import Response, request
from quart.wrappers.response import IterableBody

from derhead.api.answering.current_lists import choose, chosen_text
from derhead.api.answering.replies import ITEMS_A_TURN, RETRY_AFTER_S, HttpProblem, reply_body
from derhead.errors import JournalError
from derhead.history import Page, PageRequest
from derhead.httpserver import AnswerCut
from derhead.shapes import DEFAULT_LIMIT, CsvList, Json, ListText, Query
from derproto.stdio.log_events import event_log

log = event_log(__name__)

T = TypeVar("T")

PAGE_ITEMS = 1_000
"""Items of a history in memory, for each answer on its way. When full, the next are read once the
client has taken these."""

LONG_ANSWERS = 16
"""Answers of several pages on their way at once. When full, another one is refused with 503."""


class LongAnswers:
    """Slots for answers of several pages."""

    def __init__(self, most: int = LONG_ANSWERS) -> None:
        self._most = most
        self.taken = 0

    def take(self, holder: object) -> Callable[[], object]:
        """Takes a slot, until the returned function is called or the holder is garbage.

        Raises: HttpProblem (503) if no slot is free.
        """
        if self.taken >= self._most:
            raise HttpProblem(
                503,
                f"{self._most} long answers are being sent, the most at once; try again later, or "
                f"ask for at most {PAGE_ITEMS} items",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self.taken += 1
        return weakref.finalize(holder, self._free)

    def _free(self) -> None:
        self.taken -= 1


@dataclass(frozen=True, slots=True)
class PagedHistory(Generic[T]):
    """A history: the query for one page, and the shape of an item."""

    ask: Callable[[PageRequest], Awaitable[Page[T]]]
    shape: Callable[[T], Json]
    columns: Sequence[str]
    """The columns of CSV, which are also the members that a query may choose."""

    def only(self, fields: Sequence[str] | None) -> "PagedHistory[T]":
        """The same history with the chosen members; None = all. Raises: HttpProblem (422)."""
        if fields is None:
            return self
        leave, shape = choose(fields, self.columns), self.shape
        return replace(self, shape=lambda item: leave(shape(item)), columns=fields)


async def reply_history(history: PagedHistory[T], query: Query, long: LongAnswers) -> Response:
    """Answers with the history from the query's cursor on, as JSON or CSV.

    At most ``limit`` items. Without a limit, 100 items in JSON and all items in CSV.
    """
    history = history.only(query.fields)
    text = chosen_text(history.columns)
    whole = query.limit is None and isinstance(text, CsvList)
    limit = None if whole else query.limit or DEFAULT_LIMIT
    walk = PageWalk(history, limit, query)
    await walk.read()
    if walk.at_end or (limit is not None and limit <= PAGE_ITEMS):
        return await _reply_whole(walk, text)
    body = LongBody(walk, text)
    body.free = long.take(body)
    response = reply_body(body, text.content_type)
    if request.method == "HEAD":
        response.set_data("")
        # Quart set the length of the empty body, which is not the answer's.
        del response.headers["Content-Length"]
    # No deadline for the whole: the server bounds the time for each piece.
    response.timeout = None
    return response


async def _reply_whole(walk: "PageWalk[T]", text: ListText) -> Response:
    pieces = [text.head()]
    while (items := walk.take()) is not None:
        pieces.append(text.piece(items))
        await trio.lowlevel.checkpoint()
    pieces.append(text.tail(walk.cursor))
    headers = {}
    if walk.cursor is not None:
        headers["Link"] = f'<{_with_cursor(walk.cursor)}>; rel="next"'
    return reply_body("".join(pieces), text.content_type, headers)


def _with_cursor(cursor: str) -> str:
    given = [(name, value) for name, value in request.args.items(True) if name != "cursor"]
    return f"{request.path}?{urlencode([*given, ('cursor', cursor)])}"


class PageWalk(Generic[T]):
    """Reads a history with one page in memory at a time."""

    def __init__(self, history: PagedHistory[T], limit: int | None, query: Query) -> None:
        self.cursor = query.cursor
        """Where the next page begins."""
        self._history = history
        self._within = query.within
        self._left = limit
        self._read: deque[T] = deque()
        self._begun = False

    @property
    def at_end(self) -> bool:
        """There is no further page to read."""
        return self._begun and (self.cursor is None or self._left == 0)

    async def read(self) -> None:
        """Reads the next page, which may be empty. Raises: BadCursor, JournalError."""
        left = self._left
        limit = PAGE_ITEMS if left is None else min(left, PAGE_ITEMS)
        page = await self._history.ask(PageRequest(limit, self._within, self.cursor))
        self._begun = True
        self._read.extend(page.items)
        self.cursor = page.next_cursor
        if left is not None:
            self._left = left - len(page.items)

    def take(self) -> list[Json] | None:
        """The next few items of the page that was read; None if none are left."""
        if not self._read:
            return None
        few = min(ITEMS_A_TURN, len(self._read))
        return [self._history.shape(self._read.popleft()) for _ in range(few)]


class LongBody(IterableBody):
    """An answer's body that is read and rendered while it is sent."""

    def __init__(self, walk: PageWalk[T], text: ListText) -> None:
        super().__init__(_pieces(walk, text, request.path))
        self.free: Callable[[], object] = lambda: None
        """Called when the body has been sent or given up."""

    async def __aexit__(self, *raised: Any) -> None:
        self.free()
        await super().__aexit__(*raised)


async def _pieces(walk: PageWalk[T], text: ListText, path: str) -> AsyncIterator[str]:
    yield text.head()
    while True:
        while (items := walk.take()) is not None:
            yield text.piece(items)
        if walk.at_end:
            break
        try:
            await walk.read()
        except JournalError as error:
            log.error("answer was cut off", method="GET", path=path, reason=error)
            raise AnswerCut from error
    yield text.tail(walk.cursor)

"""Lists of the present state as answers: JSON or CSV, with all members or with chosen ones."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import trio
from quart import Response, request

from derhead.api.answering.replies import ITEMS_A_TURN, HttpProblem, reply_body
from derhead.shapes import CSV_TYPE, JSON_TYPE, CsvList, Json, JsonList, ListText
from derproto.configuration.problems import nearest

MAX_ACCEPT = 1_024
"""Characters of an ``Accept`` header. When full: the header is ignored, and JSON is sent."""


def wants_csv() -> bool:
    """Whether the current request prefers CSV to JSON."""
    # Werkzeug takes quadratic time for a long header.
    if len(request.headers.get("Accept", "")) > MAX_ACCEPT:
        return False
    return request.accept_mimetypes.best_match((JSON_TYPE, CSV_TYPE), JSON_TYPE) == CSV_TYPE


def chosen_text(columns: Sequence[str]) -> ListText:
    """The form in which the current request wants a list; ``columns`` are the columns of CSV."""
    return CsvList(columns) if wants_csv() else JsonList()


def choose(fields: Sequence[str] | None, known: Sequence[str]) -> Callable[[Json], Json]:
    """A function that reduces an item to the chosen members; None = all members.

    Raises: HttpProblem (422) for an unknown member.
    """
    if fields is None:
        return lambda item: item
    unknown = [name for name in fields if name not in known]
    if unknown:
        detail = f"there is no {unknown[0][:40]!r} here; {nearest(unknown[0], known)}"
        raise HttpProblem(422, "the query cannot be used", [("/query/fields", detail)])

    def leave(item: Json) -> Mapping[str, object]:
        return {name: item[name] for name in fields}

    return leave


async def reply_now(
    items: Iterable[Json], known: Sequence[str], fields: Sequence[str] | None
) -> Response:
    """Answers with a list of all ``items``, whose members are ``known``.

    Other tasks run between items, so the items must not change meanwhile. Raises: as ``choose``.
    """
    leave = choose(fields, known)
    text = chosen_text(known if fields is None else fields)
    pieces = [text.head()]
    remaining = iter(items)
    while turn := [leave(item) for item in islice(remaining, ITEMS_A_TURN)]:
        pieces.append(text.piece(turn))
        await trio.lowlevel.checkpoint()
    pieces.append(text.tail(None))
    return reply_body("".join(pieces), text.content_type)

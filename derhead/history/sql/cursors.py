"""Pages of a history, and the opaque cursors that lead from one page to the next. Pure."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a history, newest first, and a cursor for the next ones."""

    items: tuple[T, ...]
    next_cursor: str | None
    """Where the same query continues; None = there are no more items."""


class BadCursor(ValueError):
    """The text is no cursor, or belongs to another query."""


Key = tuple[int | str, ...]
"""The sort key of a page's last item."""


def encode_cursor(scope: Key, key: Key) -> str:
    """Text for ``key`` that only a query of the same ``scope`` takes back."""
    packed = json.dumps([list(scope), list(key)], separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(packed.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, scope: Key, shape: tuple[type[int] | type[str], ...]) -> Key:
    """The key that ``encode_cursor`` packed; its parts have the types of ``shape``.

    Cursors come from clients: every part is checked before it reaches a query. Raises: BadCursor.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        unpacked = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise BadCursor("the cursor is not one of this headend; start without one") from None
    match unpacked:
        case [list(its_scope), list(key)]:
            pass
        case _:
            raise BadCursor("the cursor is not one of this headend; start without one")
    if its_scope != list(scope):
        raise BadCursor("the cursor belongs to another query; start without one")
    if len(key) != len(shape) or not all(
        _is_storable(part, kind) for part, kind in zip(key, shape, strict=True)
    ):
        raise BadCursor("the cursor is not one of this headend; start without one")
    return tuple(key)


def _is_storable(part: object, kind: type) -> bool:
    # isinstance accepts a bool as an int. Stores accept neither more than 64 bits nor a lone
    # surrogate.
    if type(part) is not kind:
        return False
    if isinstance(part, int):
        return -(2**63) <= part < 2**63
    return isinstance(part, str) and part.isprintable()

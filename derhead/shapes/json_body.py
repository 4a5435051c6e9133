"""Parses JSON from strangers, with bounds: pure."""

import json
from dataclasses import dataclass

MAX_DEPTH = 32
"""Levels of lists and objects in a body. When full: the body is refused."""

MAX_DIGITS = 30
"""Digits of the longest whole number that becomes an int. Parsing an int takes quadratic time, so a
longer number becomes a float."""


_TOO_DEEP = "the body is nested too deeply; send a flat JSON object"


@dataclass(frozen=True, slots=True)
class BadJson:
    """The bytes are not a usable JSON document; ``detail`` says why."""

    detail: str


class _Repeated(ValueError):
    pass


def parse_json(data: bytes) -> object | BadJson:
    """The document, or the reason why the bytes have none.

    NaN and Infinity are not JSON, but Python writes them. The parser takes them, so that the caller
    can name the member in its refusal. An object with a repeated name is refused, because its
    meaning is ambiguous.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as wrong:
        return BadJson(f"byte {wrong.start} of the body is not UTF-8; send JSON in UTF-8")
    if not text.strip():
        return BadJson("the body is empty; send a JSON object")
    try:
        document: object = json.loads(
            text, parse_int=_whole, parse_constant=float, object_pairs_hook=_members
        )
    except _Repeated as wrong:
        return BadJson(str(wrong))
    except json.JSONDecodeError as wrong:
        where = f"line {wrong.lineno}, column {wrong.colno}"
        return BadJson(f"the body is not JSON: {wrong.msg} at {where}")
    except RecursionError:
        return BadJson(_TOO_DEEP)
    # A deeper document may parse here, yet fail when it is written again.
    return BadJson(_TOO_DEEP) if _is_deep(document) else document


def _is_deep(document: object) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inner += each.values()
            elif isinstance(each, list):
                inner += each
        level = [each for each in inner if isinstance(each, dict | list)]
    return bool(level)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Repeated(f"{name[:80]!r} stands twice in the body; keep one of them")
            seen.add(name)
    return members

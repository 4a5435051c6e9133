"""JSON as strangers send it: pure."""

import json
from dataclasses import dataclass

MAX_DEPTH = 32
"""Levels of lists and objects in a body. When full: the body is refused."""

MAX_DIGITS = 30
"""Longer whole numbers are read as floats: turning digits into an int takes quadratic time."""


_TOO_DEEP = "the body is nested too deeply; send a flat JSON object"


@dataclass(frozen=True, slots=True)
class BadJson:
    """The bytes are not a JSON document that can be acted on; ``detail`` says why."""

    detail: str


class _Repeated(ValueError):
    pass


def parse_json(data: bytes) -> object | BadJson:
    """The document.

    NaN and Infinity, which Python writes though JSON has no such words, are read as such,
    so that whoever reads the document can refuse them by name. A name that stands twice in
    an object is refused: which of the two is meant, nobody knows.
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
    # What is deeper than this would be read here, and fail where it is written again.
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

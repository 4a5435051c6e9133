"""Lists as text, whole or piece by piece: JSON, and CSV (RFC 4180). Pure.

CSV has a header, a row for each item and a column for each member. An unknown value is empty, a
time is RFC 3339, words of a list are separated by spaces, other nested values are JSON. A text that
a spreadsheet would take for a formula gets an apostrophe before it.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""Characters with which a formula begins, for spreadsheets."""

Items = Iterable[Mapping[str, object]]


class ListText(Protocol):
    """The text of one list: a head, any number of pieces, a tail."""

    content_type: str

    def head(self) -> str: ...
    def piece(self, items: Items) -> str: ...
    def tail(self, next_cursor: str | None) -> str: ...


class JsonList:
    """``{"items": [...], "next_cursor": null}``."""

    content_type = JSON_TYPE

    def __init__(self) -> None:
        self._comma = ""

    def head(self) -> str:
        return '{"items":['

    def piece(self, items: Items) -> str:
        text = ",".join(map(dump, items))
        comma, self._comma = (self._comma, ",") if text else ("", self._comma)
        return comma + text

    def tail(self, next_cursor: str | None) -> str:
        return f'],"next_cursor":{json.dumps(next_cursor)}}}'


class CsvList:
    """A header, and a line for each item with the members that are columns."""

    content_type = f"{CSV_TYPE}; charset=utf-8"

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def head(self) -> str:
        return _lines([self._columns])

    def piece(self, items: Items) -> str:
        columns = self._columns
        return _lines([_cell(item[name]) for name in columns] for item in items)

    def tail(self, next_cursor: str | None) -> str:
        return ""


class JsonLines:
    """One object a line, with the members that are columns."""

    content_type = "application/jsonl"

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns

    def head(self) -> str:
        return ""

    def piece(self, items: Items) -> str:
        return "".join(dump({name: item[name] for name in self._columns}) + "\n" for item in items)

    def tail(self, next_cursor: str | None) -> str:
        return ""


def columns_of(kind: type) -> Sequence[str]:
    """The members of an answer's type, in their order."""
    return tuple(kind.__annotations__)


def dump(body: Mapping[str, object]) -> str:
    """JSON text in ASCII."""
    return json.dumps(body, allow_nan=False, separators=(",", ":"))


def _lines(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, str):
        return _defused(value)
    if value is None or isinstance(value, float):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return value
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return _defused(" ".join(value))
    return json.dumps(value, allow_nan=False, separators=(",", ":"))


def _defused(text: str) -> str:
    # Names, versions and reasons come from strangers. Numbers are not text, and keep their sign.
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text

"""The description of one operation of the API: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from derhead.access import Right

Schema = dict[str, object]
"""JSON Schema 2020-12, as OpenAPI 3.1 uses it."""

Method = Literal["get", "post", "delete"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A page of items of one type."""

    item: type


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is not JSON."""

    description: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """An event stream."""

    data: Mapping[str, type]
    """The JSON type of each event's data."""


Content = type | ListOf | Text | Events | tuple[type | ListOf, ...]
"""The type of a body; a tuple means one of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter in the path, the query or the header."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Schema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpec:
    """One status of an operation that is not a problem."""

    description: str
    content: Mapping[str, Content] = field(default_factory=dict)
    """The body by media type; empty if there is none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The meaning of each header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method at a path."""

    path: str
    id: str
    tag: str
    summary: str
    method: Method = "get"
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    """The type of the JSON body that the operation takes."""
    answers: Mapping[int, AnswerSpec] = field(default_factory=dict)
    right: Right | None = Right.READ
    """The right that it takes; None = none."""
    problems: tuple[int, ...] = (422,)
    """Statuses of its problems, beside those of any operation."""

"""What an operation of the API is, to those who document it: pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Schema = dict[str, object]
"""JSON Schema 2020-12, as OpenAPI 3.1 has it."""

Method = Literal["get", "post", "delete"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A page of items of a type."""

    item: type


@dataclass(frozen=True, slots=True)
class Text:
    """A body that is not JSON."""

    description: str = ""


@dataclass(frozen=True, slots=True)
class Events:
    """An event stream."""

    data: Mapping[str, type]
    """What each event's data is, as JSON."""


Content = type | ListOf | Text | Events | tuple[type | ListOf, ...]
"""What a body is; a tuple is one of several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter of the path, the query or the header."""

    name: str
    place: Literal["path", "query", "header"]
    schema: Schema
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSpec:
    """One status that an operation answers with, other than a problem."""

    description: str
    content: Mapping[str, Content] = field(default_factory=dict)
    """What the body is, by media type; empty without one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """What each header tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A method at a path."""

    method: Method
    path: str
    id: str
    tag: str
    summary: str
    description: str = ""
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    """The type of the JSON body that it takes."""
    answers: Mapping[int, AnswerSpec] = field(default_factory=dict)
    problems: tuple[int, ...] = ()
    """Statuses of the problems that it may answer with, beside those that any may."""

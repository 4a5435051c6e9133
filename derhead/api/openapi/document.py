"""The OpenAPI 3.1 document, made from the operations and the answers' types: pure."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, get_type_hints

import msgspec

from derhead.access import COOKIE, needed_role
from derhead.api.answering.problem_kinds import kind_of
from derhead.api.openapi.endpoints import OPERATIONS, TAGS
from derhead.api.openapi.kept import EXAMPLES
from derhead.api.openapi.operations import (
    AnswerSpec,
    Content,
    Events,
    ListOf,
    Operation,
    Parameter,
    Schema,
    Text,
)
from derhead.shapes import JSON_TYPE, ProblemJson

OPENAPI = "3.1.0"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"

ANY_PROBLEMS = (400, 401, 403, 404, 405, 413, 429, 431, 500, 503)
"""Statuses that any request may get."""

BEARER = "bearer"

PROBLEM_TYPE = "application/problem+json"

NOT_MODIFIED = AnswerSpec(
    description="Nothing has changed since the answer whose `ETag` is in `If-None-Match`."
)

_DESCRIPTION = """\
Monitor and dispatch distributed energy resources. Power is in MW, positive = generation, negative =
consumption. Times are UTC, RFC 3339. Unknown values are null. Lists come in pages: follow
`next_cursor`. Errors are problems (RFC 9457): `type` names the kind, `errors` what to correct.
"""


_ORDER_RULES: Schema = {
    "additionalProperties": False,
    # An order is for an asset or for a site; null counts as left out.
    "oneOf": [
        {
            "required": [named],
            "properties": {named: {"type": "string"}, other: {"type": "null"}},
        }
        for named, other in (("asset_id", "site_id"), ("site_id", "asset_id"))
    ],
}
"""Rules that the types cannot express."""


@cache
def document(version: str) -> str:
    """The whole document as JSON text. ``version`` is the software's."""
    return json.dumps(build(version), separators=(",", ":"))


def build(version: str) -> Schema:
    """The document as an object."""
    schemas = _schemas()
    schemas["Order"] |= _ORDER_RULES
    schemas |= {
        f"{_name(item)}List": _list_schema(item)
        for item in sorted(_listed(), key=lambda item: item.__name__)
    }
    paths: dict[str, dict[str, Schema]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _operation(operation)
    return {
        "openapi": OPENAPI,
        "jsonSchemaDialect": JSON_SCHEMA,
        "info": {"title": "derhead", "version": version, "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `derhead token add`. A headend without tokens asks"
                    " for none.",
                },
                COOKIE: {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": COOKIE,
                    "description": "What `POST /login` sets for a browser.",
                },
            },
            "headers": {
                "X-Request-Id": {
                    "description": "Names this answer in the headend's log; the request's own,"
                    " if it had one.",
                    "schema": {"type": "string"},
                }
            },
            "responses": {
                _problem_name(status): _problem_response(status)
                for status in sorted({*ANY_PROBLEMS, *_problem_statuses()})
            },
        },
    }


def _operation(operation: Operation) -> Schema:
    found: Schema = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
    }
    if operation.right is None:
        found["security"] = []
    else:
        # The least role that suffices (OpenAPI 3.1, Security Requirement Object).
        role = needed_role(operation.right).value
        found["security"] = [{BEARER: [role]}, {COOKIE: [role]}]
    if operation.description:
        found["description"] = operation.description
    if operation.parameters:
        found["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {
                JSON_TYPE: _with_examples({"schema": _ref(operation.body)}, operation.id, "request")
            },
        }
    answers = {
        str(status): _answer(operation.id, status, answer)
        for status, answer in operation.answers.items()
    }
    stream = "text/event-stream" in _media_types(operation)
    if operation.method == "get" and 200 in operation.answers and not stream:
        answers["304"] = _answer(operation.id, 304, NOT_MODIFIED)
    problems = sorted({*ANY_PROBLEMS, *operation.problems})
    found["responses"] = answers | {
        str(status): {"$ref": f"#/components/responses/{_problem_name(status)}"}
        for status in problems
        if status not in operation.answers
    }
    return found


def _media_types(operation: Operation) -> set[str]:
    return {media for answer in operation.answers.values() for media in answer.content}


def _parameter(parameter: Parameter) -> Schema:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _answer(operation_id: str, status: int, answer: AnswerSpec) -> Schema:
    headers: Schema = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    headers |= {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in answer.headers.items()
    }
    found: Schema = {"description": answer.description, "headers": headers}
    if answer.content:
        found["content"] = {
            media: _with_examples(_media(content), operation_id, str(status), media)
            for media, content in answer.content.items()
        }
    return found


def _with_examples(found: Schema, operation_id: str, *rest: str) -> Schema:
    key = " ".join((operation_id, *(part for part in rest if part != JSON_TYPE)))
    examples = EXAMPLES.get(key)
    return found if examples is None else {**found, "examples": examples}


def _media(content: Content) -> Schema:
    if isinstance(content, Events):
        # OpenAPI can describe the items of a stream only from 3.2 on.
        items = {kind: _ref(data) for kind, data in content.data.items()}
        # No schema for the whole text: some tools would check each event against it.
        return {"schema": {}, "x-events": items}
    return {"schema": _content(content)}


def _content(content: Content) -> Schema:
    match content:
        case ListOf(item):
            return {"$ref": f"#/components/schemas/{_name(item)}List"}
        case Text() | Events():
            return {}
        case tuple():
            return {"anyOf": [_content(part) for part in content]}
        case _:
            return _ref(content)


def _problem_statuses() -> set[int]:
    return {status for operation in OPERATIONS for status in operation.problems}


def _problem_name(status: int) -> str:
    slug = kind_of(status).slug
    return "".join(word.capitalize() for word in slug.split("-")) + "Problem"


def _problem_response(status: int) -> Schema:
    kind = kind_of(status)
    headers: Schema = {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}}
    return {
        "description": f"{kind.meaning} {kind.remedy}",
        "headers": headers,
        "content": {
            PROBLEM_TYPE: _with_examples({"schema": _ref(ProblemJson)}, "problem", str(status))
        },
    }


# --- schemas -----------------------------------------------------------------------------


def _name(item: type) -> str:
    return item.__name__.removesuffix("Json")


def _ref(item: type) -> Schema:
    return {"$ref": f"#/components/schemas/{_name(item)}"}


def _listed() -> set[type]:
    return {content.item for content in _contents() if isinstance(content, ListOf)}


def _contents() -> Iterator[type | ListOf | Text]:
    yield ProblemJson
    for operation in OPERATIONS:
        if operation.body is not None:
            yield operation.body
        for answer in operation.answers.values():
            for content in answer.content.values():
                match content:
                    case tuple():
                        yield from content
                    case Events(data):
                        yield from data.values()
                    case _:
                        yield content


def _types() -> set[type]:
    return {
        content.item if isinstance(content, ListOf) else content
        for content in _contents()
        if not isinstance(content, Text)
    }


def _schemas() -> dict[str, Schema]:
    types = sorted(_types(), key=lambda item: item.__name__)
    _, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    return {
        name.removesuffix("Json"): _tidy(name, schema, types)
        for name, schema in sorted(components.items())
    }


def _tidy(name: str, schema: Any, types: list[type]) -> Schema:
    """The schema, with names without ``Json`` and members in the order of the answers."""
    text = json.dumps(schema)
    found: Schema = json.loads(text.replace('Json"', '"'))
    order = next((list(get_type_hints(item)) for item in types if item.__name__ == name), None)
    properties = found.get("properties")
    if order is not None and isinstance(properties, dict):
        found["properties"] = {key: properties[key] for key in order}
    return found


def _list_schema(item: type) -> Schema:
    return {
        "type": "object",
        "description": "A page of a list.",
        "required": ["items", "next_cursor"],
        "properties": {
            "items": {"type": "array", "items": _ref(item)},
            "next_cursor": {
                "type": ["string", "null"],
                "description": "Where the next page begins, to be given as `cursor`; null on"
                " the last page.",
            },
        },
    }

"""The API's description as HTML, for people: pure. The pages need no script and no other host."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

from derhead.api.answering.problem_kinds import ProblemKinds
from derhead.api.openapi.document import build

Node = Any
"""A part of the OpenAPI document."""

_FRAME = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
{body}
</body>
</html>
"""


def docs_page(version: str) -> str:
    """All operations and schemas on one page."""
    spec = build(version)
    return _FRAME.format(title="derhead: the API", body="\n".join(_docs(spec)))


def problems_page() -> str:
    """The page of all kinds of problems."""
    body = ['<main><p><a href="/docs">The API</a></p><h1>Problems</h1>', _PROBLEMS_INTRO]
    for problem in ProblemKinds:
        kind = problem.value
        status = f" <small>{kind.status}</small>" if kind.status else ""
        body.append(
            f'<section id="{kind.slug}"><h2>{escape(kind.title)}{status}</h2>'
            f"<p><code>{escape(kind.type)}</code></p>"
            f"<p>{_text(kind.meaning)}</p><p>{_text(kind.remedy)}</p></section>"
        )
    body.append("</main>")
    return _FRAME.format(title="derhead: problems", body="\n".join(body))


_PROBLEMS_INTRO = (
    "<p>Every error is <code>application/problem+json</code> (RFC 9457). <code>type</code> names"
    " one of these kinds, <code>detail</code> describes this case, and <code>errors</code> lists"
    " what is wrong, each with a JSON pointer.</p>"
)


def _docs(spec: Node) -> Iterator[str]:
    schemas = spec["components"]["schemas"]
    yield "<nav aria-label='Contents'>"
    yield f"<p><strong>derhead</strong> {escape(spec['info']['version'])}</p>"
    yield "<ul>"
    for tag in spec["tags"]:
        yield f"<li>{escape(tag['name'])}<ul>"
        for path, method, operation in _operations(spec):
            if tag["name"] in operation["tags"]:
                yield (
                    f"<li><a href='#{operation['operationId']}'>"
                    f"<code>{method.upper()}</code> {escape(path)}</a></li>"
                )
        yield "</ul></li>"
    yield "<li><a href='#schemas'>Schemas</a></li>"
    yield "<li><a href='/docs/problems'>Problems</a></li>"
    yield "<li><a href='/openapi.json'>openapi.json</a></li>"
    yield "</ul></nav><main>"
    yield f"<h1>The API</h1><p>{_text(spec['info']['description'])}</p>"
    for path, method, operation in _operations(spec):
        yield from _operation(spec, path, method, operation)
    yield "<h2 id='schemas'>Schemas</h2>"
    for name, schema in schemas.items():
        yield from _schema(name, schema)
    yield "</main>"


def _operations(spec: Node) -> Iterator[tuple[str, str, Node]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _operation(spec: Node, path: str, method: str, operation: Node) -> Iterator[str]:
    yield f"<section id='{operation['operationId']}'>"
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2>"
    yield f"<p>{_text(operation['summary'])}.</p>"
    if "description" in operation:
        yield f"<p>{_text(operation['description'])}</p>"
    if "parameters" in operation:
        yield "<h3>Parameters</h3><table><tr><th>Name</th><th>In</th><th>Type</th><th></th></tr>"
        for parameter in operation["parameters"]:
            yield (
                f"<tr><td><code>{escape(parameter['name'])}</code></td>"
                f"<td>{parameter['in']}</td><td>{_type(parameter['schema'])}</td>"
                f"<td>{_text(parameter['description'])}</td></tr>"
            )
        yield "</table>"
    if "requestBody" in operation:
        yield "<h3>Body</h3>"
        yield from _contents(operation["requestBody"]["content"])
    yield "<h3>Answers</h3>"
    problems = []
    for status, answer in operation["responses"].items():
        if "$ref" in answer:
            problems.append(status)
            continue
        yield f"<h4>{status}</h4><p>{_text(answer['description'])}</p>"
        yield from _contents(answer.get("content", {}))
    links = ", ".join(f"<a href='/docs/problems'>{status}</a>" for status in problems)
    yield f"<p>Problems: {links}</p></section>"


def _contents(content: Node) -> Iterator[str]:
    for media, found in content.items():
        yield f"<p><code>{escape(media)}</code>: {_type(found['schema'])}</p>"
        if "x-events" in found:
            yield "<table><tr><th>Event</th><th>Data</th></tr>"
            for kind, data in found["x-events"].items():
                yield f"<tr><td><code>{escape(kind)}</code></td><td>{_type(data)}</td></tr>"
            yield "</table>"
        for name, example in found.get("examples", {}).items():
            summary = escape(example.get("summary", name))
            value = example["value"]
            text = value if isinstance(value, str) else json.dumps(value, indent=2)
            yield f"<details><summary>{summary}</summary><pre>{escape(text)}</pre></details>"


def _schema(name: str, schema: Node) -> Iterator[str]:
    yield f"<section id='schema-{name}'><h3>{escape(name)}</h3>"
    if "description" in schema:
        yield f"<p>{_text(schema['description'])}</p>"
    required = schema.get("required", ())
    yield "<table><tr><th>Member</th><th>Type</th><th></th></tr>"
    for member, found in schema.get("properties", {}).items():
        optional = "" if member in required else " <small>may be left out</small>"
        yield (
            f"<tr><td><code>{escape(member)}</code>{optional}</td><td>{_type(found)}</td>"
            f"<td>{_text(found.get('description', ''))}</td></tr>"
        )
    yield "</table></section>"


def _type(schema: Node) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"<a href='#schema-{name}'>{escape(name)}</a>"
    if "anyOf" in schema:
        return " or ".join(map(_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"<code>{escape(str(word))}</code>" for word in schema["enum"])
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(map(escape, kind))
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return escape(schema.get("format", kind))


def _text(text: str) -> str:
    """The text as HTML, with backticks as code."""
    parts = escape(text).split("`")
    return "".join(part if n % 2 == 0 else f"<code>{part}</code>" for n, part in enumerate(parts))

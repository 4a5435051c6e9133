"""Checks answers against the API's own description."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for

from derhead.api.openapi import build
from derproto import __version__


@cache
def spec() -> Any:
    """The document with every object closed, so that an undescribed member fails."""
    document = json.loads(json.dumps(build(__version__)))
    for schema in document["components"]["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return document


def hold(method: str, path: str, status: int, content_type: str, text: str) -> None:
    """Fails unless the description has this answer to this request.

    A path that it does not know must be answered with a problem; HEAD is a GET without a body.
    """
    operation = find(method.lower(), path)
    if operation is None:
        assert status >= 400, f"{method} {path} is answered {status}, and not described"
        responses: Any = {}
    else:
        responses = operation["responses"]
    answer = responses.get(str(status))
    if answer is None and operation is None:
        answer = {"$ref": "#/components/responses/UnknownProblem"}
    assert answer is not None, f"{method} {path}: {status} is not described: {text[:300]}"
    if "$ref" in answer:
        answer = spec()["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    media = content_type.partition(";")[0]
    known = answer.get("content", {})
    assert not text or media in known, f"{method} {path}: {status} {media} is not described"
    if text and media.endswith("json"):
        _validator(json.dumps(known[media]["schema"])).validate(json.loads(text))


def hold_response(response: httpx.Response) -> None:
    """``hold``, for an answer that httpx has read."""
    request = response.request
    hold(
        request.method,
        request.url.path,
        response.status_code,
        response.headers.get("content-type", ""),
        response.text,
    )


def find(method: str, path: str) -> Any | None:
    """The operation that serves the request."""
    method = "get" if method == "head" else method
    for template, methods in spec()["paths"].items():
        if method in methods and re.fullmatch(_pattern(template), path):
            return methods[method]
    return None


def _pattern(template: str) -> str:
    return "[^/]+".join(map(re.escape, re.split(r"\{\w+\}", template)))


@cache
def _validator(schema: str) -> Draft202012Validator:
    whole: Mapping[str, Any] = {**json.loads(schema), "components": spec()["components"]}
    assert validator_for(whole, default=Draft202012Validator) is Draft202012Validator
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def hold_event(kind: str, data: object) -> None:
    """Fails unless the description has this event of ``/events``."""
    media = spec()["paths"]["/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    assert kind in media["x-events"], f"the event {kind} is not described"
    _validator(json.dumps(media["x-events"][kind])).validate(data)

"""Requests through Quart's test client, with the checks that hold for every answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from werkzeug.datastructures import Headers

from derhead.access import AccessGate
from derhead.api import create_app
from tests.support.api.description import hold
from tests.support.api.fake_headend import FakeView

JSON = {"Content-Type": "application/json"}
HEALTH = [("/healthz", 503), ("/readyz", 503)]
"""Answers to monitors that are no problem documents."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    text: str

    @property
    def body(self) -> dict[str, object]:
        body = json.loads(self.text, parse_constant=lambda word: pytest.fail(word))
        assert isinstance(body, dict)
        return body

    @property
    def items(self) -> list[dict[str, object]]:
        items = self.body["items"]
        assert isinstance(items, list)
        return items

    @property
    def pointers(self) -> list[str]:
        errors = self.body["errors"]
        assert isinstance(errors, list)
        return [error["pointer"] for error in errors]


async def ask(
    view: FakeView,
    path: str,
    method: str = "GET",
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    gate: AccessGate | None = None,
) -> Answer:
    """Sends one request, and checks what holds for every answer."""
    response = (
        await create_app(view, gate)
        .test_client()
        .open(  # type: ignore[call-arg]
            path, method=method, data=data, headers=dict(headers or {})
        )
    )
    text = await response.get_data(as_text=True)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-cache"
    answer = Answer(response.status_code, response.headers, text)
    hold(method, urlsplit(path).path, answer.status, response.content_type or "", text)
    if response.status_code >= 400 and (path, response.status_code) not in HEALTH:
        assert response.content_type == "application/problem+json"
        members = ["type", "title", "status", "detail", "instance", "errors"]
        assert list(answer.body) == members
        assert answer.body["status"] == response.status_code
    else:
        assert (
            urlsplit(path).path.startswith("/docs") or response.content_type == "application/json"
        )
    return answer


async def order(view: FakeView, body: object) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await ask(view, "/dispatch", "POST", data=data, headers=JSON)

"""The benchmark's requests to a headend's REST."""

import http.client
import json
import urllib.request
from typing import Any

from errors import Failed


def get_text(port: int, path: str, timeout_s: float) -> str:
    """Fetches the body of an answer. Raises: Failed."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout_s) as answer:
            body: bytes = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"GET {path}: {error}") from error
    return body.decode()


def get_items(port: int, path: str, timeout_s: float) -> list[dict[str, Any]]:
    """Fetches the items of a list. Raises: Failed."""
    items: list[dict[str, Any]] = json.loads(get_text(port, path, timeout_s))["items"]
    return items

"""The benchmark's requests to a headend's REST."""

import http.client
import json
import ssl
import urllib.request
from typing import Any

from errors import Failed


def get_text(
    port: int, path: str, timeout_s: float, *, scheme: str = "http", token: str | None = None
) -> str:
    """Fetches the body of an answer; over TLS from whoever answers. Raises: Failed."""
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    url = f"{scheme}://127.0.0.1:{port}{path}"
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    asked = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(asked, timeout=timeout_s, context=trusting) as answer:
            body: bytes = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"GET {path}: {error}") from error
    return body.decode()


def get_items(
    port: int, path: str, timeout_s: float, *, scheme: str = "http", token: str | None = None
) -> list[dict[str, Any]]:
    """Fetches the items of a list. Raises: Failed."""
    text = get_text(port, path, timeout_s, scheme=scheme, token=token)
    items: list[dict[str, Any]] = json.loads(text)["items"]
    return items

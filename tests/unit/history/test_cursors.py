"""Cursors lead to the next page, and no other text is accepted."""

import base64
import json

import pytest

from derhead.history.sql.cursors import BadCursor, decode_cursor, encode_cursor

SCOPE = ("telemetry", "asset-1")
SHAPE = (int, str)


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_cursor_gives_back_its_key() -> None:
    for key in [(0, ""), (-(2**63), "é☀"), (2**63 - 1, "x" * 100)]:
        cursor = encode_cursor(SCOPE, key)
        assert decode_cursor(cursor, SCOPE, SHAPE) == key
        assert set(cursor) <= set(
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "a",
        "é",
        "====",
        packed(1),
        packed({}),
        packed([["telemetry", "asset-1"]]),
        packed([["telemetry", "asset-1"], [1]]),
        packed([["telemetry", "asset-1"], [1, "a", 2]]),
        packed([["telemetry", "asset-1"], ["a", 1]]),
        packed([["telemetry", "asset-1"], [True, "a"]]),
        packed([["telemetry", "asset-1"], [1.0, "a"]]),
        packed([["telemetry", "asset-1"], [2**63, "a"]]),
        packed([["telemetry", "asset-1"], [1, None]]),
        packed([["telemetry", "asset-1"], [1, "\ud800"]]),
        packed([["telemetry", "asset-1"], 1]),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_text_that_is_not_a_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(text, SCOPE, SHAPE)


@pytest.mark.parametrize("scope", [("telemetry", "asset-2"), ("sessions", "asset-1"), ("a",)])
def test_another_querys_cursor_is_refused(scope: tuple[str, ...]) -> None:
    with pytest.raises(BadCursor, match="another query"):
        decode_cursor(encode_cursor(scope, (1, "a")), SCOPE, SHAPE)

"""Idempotency keys, and the fingerprints of orders."""

import pytest

from derhead.dispatch.orders.idempotency import KEY_CHARACTERS, fingerprint, read_key


@pytest.mark.parametrize(
    ("header", "key"),
    [
        ('"8e03978e-40d5-43dd-bc93-6894a57f9324"', "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        ("8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"),
        (" order:7/2026 ".strip() + " ", "order:7/2026"),
        ('"two words"', "two words"),
        (r'"a \"quoted\" \\ word"', 'a "quoted" \\ word'),
        ("k" * KEY_CHARACTERS, "k" * KEY_CHARACTERS),
    ],
)
def test_keys(header: str, key: str) -> None:
    assert read_key(header) == key


@pytest.mark.parametrize(
    "header",
    ["", "  ", '""', "two words", '"open', 'a"b', "ümlaut", '"ümlaut"', "a,b", "a;b", "a\nb"],
)
def test_texts_that_are_not_keys_are_refused(header: str) -> None:
    with pytest.raises(ValueError, match="write"):
        read_key(header)


def test_a_key_has_a_bound() -> None:
    with pytest.raises(ValueError, match="256 characters; write from 1 to 255"):
        read_key("k" * (KEY_CHARACTERS + 1))


def test_the_same_order_has_the_same_fingerprint() -> None:
    assert fingerprint({"mw": 1.5, "asset_id": "a"}) == fingerprint({"asset_id": "a", "mw": 1.5})


@pytest.mark.parametrize(
    "other",
    [
        {"asset_id": "a", "mw": 1.6},
        {"asset_id": "b", "mw": 1.5},
        {"asset_id": "a", "mw": 1.5, "priority": 1},
        {"asset_id": "a", "mw": "1.5"},
        ["asset_id", "a"],
    ],
)
def test_another_order_has_another_fingerprint(other: object) -> None:
    assert fingerprint({"asset_id": "a", "mw": 1.5}) != fingerprint(other)


@pytest.mark.parametrize("odd", [float("nan"), "\ud800", None, 10**29])
def test_every_json_document_has_a_fingerprint(odd: object) -> None:
    assert fingerprint({"mw": odd}) == fingerprint({"mw": odd})

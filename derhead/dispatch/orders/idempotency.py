"""Orders that may be sent again: a caller's ``Idempotency-Key`` and the order that it led to. Pure.

The rules are those of draft-ietf-httpapi-idempotency-key-header. The same key with the same body is
the same order, and the caller gets its dispatch again. The same key with another body is a mistake.
One commit stores a key and its dispatch, so that a crash cannot part them.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

KEY_CHARACTERS = 255
"""Characters of an idempotency key. When full, the order is refused with 400."""

KEPT_US = 86_400_000_000
"""How long a key is remembered after its order: 24 h."""

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--:<-~]+")


@dataclass(frozen=True, slots=True)
class UsedKey:
    """A key and the order that it led to."""

    key: str
    """As ``key_of`` makes it."""
    fingerprint: str
    """The fingerprint of the order's body."""
    kind: Literal["dispatch", "group"]
    target_id: str
    """The id of the dispatch or group that it led to."""
    created_us: int


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """The key of an order that is not taken yet."""

    key: str
    fingerprint: str

    def used(self, kind: Literal["dispatch", "group"], target_id: str, now_us: int) -> UsedKey:
        """The key as it is stored with the order."""
        return UsedKey(self.key, self.fingerprint, kind, target_id, now_us)


@dataclass(frozen=True, slots=True)
class ForgetKeys:
    """A request to delete old keys, at most so many at a time."""

    before_us: int
    at_most: int


def read_key(header: str) -> str:
    """The key in a header's value: a quoted string, or bare text as most callers write it.

    Raises: ValueError, saying what to write.
    """
    text = header.strip()
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif _BARE.fullmatch(text):
        key = text
    else:
        raise ValueError('not a key; write a text in quotes, such as "8e03978e-40d5-43dd"')
    if not 1 <= len(key) <= KEY_CHARACTERS:
        raise ValueError(f"{len(key)} characters; write from 1 to {KEY_CHARACTERS}")
    return key


def key_of(caller: str | None, key: str) -> str:
    """The key as it is kept: callers with names of their own have keys of their own.

    A key has no line break, so no caller can write another's.
    """
    return key if caller is None else f"{caller}\n{key}"


def fingerprint(body: object) -> str:
    """A digest that is equal for JSON documents of equal content.

    Spacing and the order of members do not count.
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

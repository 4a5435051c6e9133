"""Orders that may be sent again: a caller's ``Idempotency-Key`` and what it led to. Pure.

As draft-ietf-httpapi-idempotency-key-header has it: the same key with the same body is the
same order, whose dispatch is shown again; with another body it is a mistake. A key is stored
in the same commit as its dispatch, so that a crash cannot part them.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Literal

KEY_CHARACTERS = 255
"""Characters of an idempotency key. When full, the order is refused with 400."""

KEPT_US = 86_400_000_000
"""How long a key is remembered: 24 h from its order."""

_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-+\--:<-~]+")


@dataclass(frozen=True, slots=True)
class UsedKey:
    """A key and the order that bore it."""

    key: str
    fingerprint: str
    """Of the order's body."""
    kind: Literal["dispatch", "group"]
    target_id: str
    """The dispatch, or the group, that it led to."""
    created_us: int


@dataclass(frozen=True, slots=True)
class KeyClaim:
    """A key that an order bears."""

    key: str
    fingerprint: str

    def used(self, kind: Literal["dispatch", "group"], target_id: str, now_us: int) -> UsedKey:
        """What is to be remembered once the order is taken."""
        return UsedKey(self.key, self.fingerprint, kind, target_id, now_us)


@dataclass(frozen=True, slots=True)
class ForgetKeys:
    """Keys older than this may be forgotten, at most so many at a time."""

    before_us: int
    at_most: int


def read_key(header: str) -> str:
    """The key in a header's value: a structured field's string, or, as most write it, bare.

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


def fingerprint(body: object) -> str:
    """The same for two JSON documents exactly if they say the same; spacing and the order of
    members do not count."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

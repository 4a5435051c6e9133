"""Tokens: their text, the hash that the headend keeps, and the look-up of one. Pure.

The headend keeps a token's SHA-256 and not the token. A plain hash is enough: a token holds 256
random bits, which nobody can guess, unlike a password.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass, replace

from derhead.access.failure_meter import AccessRefusal
from derhead.access.roles import Role

PREFIX = "derhead_"
"""Every token begins with it, so that scanners for leaked secrets recognise one."""

SECRET_BYTES = 32

MOST_TOKENS = 1_000
"""Tokens in the file, revoked ones included. When full, no further one is added."""

NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")

_INDEX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token. Times are microseconds since the epoch."""

    name: str
    role: Role
    digest: bytes
    """SHA-256 of the token."""
    created_us: int
    sites: tuple[str, ...] | None = None
    """Ids or names of the sites that it is limited to; None = all."""
    agent: str | None = None
    """The agent that may use it, or ``ANY_AGENT``; None for other roles."""
    expires_us: int | None = None
    """None = it does not expire."""
    revoked_us: int | None = None
    created_by: str | None = None
    """The user of the machine who made it, as the file says; None = the file does not say."""
    revoked_by: str | None = None

    def refusal(self, now_us: int) -> AccessRefusal | None:
        """Why it is not good now; None if it is."""
        if self.revoked_us is not None:
            return AccessRefusal.REVOKED
        if self.expires_us is not None and now_us >= self.expires_us:
            return AccessRefusal.EXPIRED
        return None


def spell(secret: bytes) -> str:
    """The token of these random bytes, as callers send it."""
    return PREFIX + urlsafe_b64encode(secret).rstrip(b"=").decode("ascii")


def digest_of(token: bytes) -> bytes:
    """The hash that is kept of a token."""
    return hashlib.sha256(token).digest()


class TokenSet:
    """All tokens of a file."""

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self.all = tuple(tokens)
        self._index = {token.digest[:_INDEX_BYTES]: token for token in self.all}

    def find(self, token: bytes) -> Token | None:
        """The token with that text, also if it has expired or is revoked.

        The time of a look-up may reveal the few bytes of the hash in the index. They say nothing
        about the token. The whole hash is compared in constant time.
        """
        digest = digest_of(token)
        found = self._index.get(digest[:_INDEX_BYTES])
        if found is None or not hmac.compare_digest(found.digest, digest):
            return None
        return found

    def named(self, name: str) -> Token | None:
        """The token of that name."""
        return next((token for token in self.all if token.name == name), None)

    def with_token(self, token: Token) -> "TokenSet":
        """The set with this token, which replaces one of the same name."""
        return TokenSet([*(each for each in self.all if each.name != token.name), token])

    def with_revoked(self, name: str, now_us: int, by: str | None = None) -> "TokenSet":
        """The set with that token revoked."""
        return TokenSet(
            replace(each, revoked_us=now_us, revoked_by=by) if each.name == name else each
            for each in self.all
        )

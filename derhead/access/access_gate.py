"""The gate of REST: who sent a request, by its ``Authorization`` header. Pure."""

import re
from dataclasses import dataclass

from derhead.access.roles import ANYBODY, Principal
from derhead.access.tokens import TokenSet

REALM = 'Bearer realm="derhead"'

KNOWN = 1_000
"""Headers whose callers are remembered, so that each is hashed once. When full, all are
forgotten."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """A request whose sender is not known (RFC 6750)."""

    detail: str
    error: str | None = None
    """The error code; None = the request came without credentials."""

    @property
    def challenge(self) -> str:
        """The value of ``WWW-Authenticate``."""
        if self.error is None:
            return REALM
        return f'{REALM}, error="{self.error}", error_description="{self.detail}"'


NO_TOKEN = Unauthenticated(
    "this headend answers to tokens; send Authorization: Bearer TOKEN, and ask an administrator"
    " for a token"
)
UNREADABLE = Unauthenticated(
    "the Authorization header cannot be read; send Authorization: Bearer TOKEN, once",
    "invalid_request",
)


class AccessGate:
    """Recognises callers.

    Without tokens it asks nobody: every caller may do everything.
    """

    def __init__(self, tokens: TokenSet | None = None) -> None:
        self._tokens = tokens
        self._known: dict[bytes, Principal] = {}

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything."""
        return self._tokens is None

    def replace(self, tokens: TokenSet) -> None:
        """Takes other tokens, from the next request on."""
        self._tokens = tokens
        self._known.clear()

    def recognise(self, authorization: bytes | None, now_us: int) -> Principal | Unauthenticated:
        """Who sent a request with this ``Authorization`` header; None = without one.

        Units: ``now_us`` is microseconds since the epoch.
        """
        if self._tokens is None:
            return ANYBODY
        if authorization is None:
            return NO_TOKEN
        # A look-up in a dict compares bytes only after a keyed hash of all of them: its time tells
        # nothing about a token.
        known = self._known.get(authorization)
        if known is not None and (known.expires_us is None or now_us < known.expires_us):
            return known
        return self._look_up(self._tokens, authorization, now_us)

    def _look_up(
        self, tokens: TokenSet, authorization: bytes, now_us: int
    ) -> Principal | Unauthenticated:
        self._known.pop(authorization, None)
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None:
            return UNREADABLE
        token = tokens.find(bearer[1])
        refusal = "the token is not known" if token is None else token.refusal(now_us)
        if token is None or refusal is not None:
            return Unauthenticated(
                f"{refusal}; ask an administrator for a new one", "invalid_token"
            )
        if len(self._known) >= KNOWN:
            self._known.clear()
        sites = None if token.sites is None else frozenset(token.sites)
        principal = Principal(token.name, token.role, sites, token.expires_us)
        self._known[authorization] = principal
        return principal

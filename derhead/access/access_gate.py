"""The gate: recognises callers by their ``Authorization`` header. Pure."""

import re
from dataclasses import dataclass
from typing import Protocol

from derhead.access.failure_meter import AccessRefusal, FailureMeter
from derhead.access.roles import ANYBODY, Principal
from derhead.access.token_changes import TokenTraces, find_token_changes, traces_of
from derhead.access.tokens import TokenSet
from derproto.configuration.changes import Changes

REALM = 'Bearer realm="derhead"'

KNOWN = 1_000
"""Headers whose callers are remembered, so that each is hashed once. When full, all are
forgotten."""

JWT_DOTS = 2
"""Dots in a signed JWT. A token of the headend has none."""

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unauthenticated:
    """A request whose sender is not known (RFC 6750)."""

    detail: str
    reason: AccessRefusal
    error: str | None = None
    """The error code; None = the request came without credentials."""
    token: str | None = None
    """The name of a token that has expired or is revoked: for the log, not for the answer."""

    @property
    def challenge(self) -> str:
        """The value of ``WWW-Authenticate``."""
        if self.error is None:
            return REALM
        return f'{REALM}, error="{self.error}", error_description="{self.detail}"'


NO_TOKEN = Unauthenticated(
    "this headend needs a token; send Authorization: Bearer TOKEN, and ask an administrator"
    " for a token",
    AccessRefusal.MISSING,
)
UNREADABLE = Unauthenticated(
    "the Authorization header cannot be read; send Authorization: Bearer TOKEN, once",
    AccessRefusal.UNREADABLE,
    "invalid_request",
)

_DETAILS = {
    AccessRefusal.UNKNOWN: "the token is not known",
    AccessRefusal.EXPIRED: "the token has expired",
    AccessRefusal.REVOKED: "the token is revoked",
}


class TokenIssuer(Protocol):
    """Recognises the owners of an issuer's JWTs."""

    def recognise(self, token: bytes, now_us: int) -> Principal | Unauthenticated:
        """Who sent this JWT."""


class AccessGate:
    """Recognises callers.

    Without tokens and without an issuer the gate is open: every caller may do everything.
    """

    def __init__(self, tokens: TokenSet | None = None) -> None:
        self._tokens = tokens
        self.traces: TokenTraces = traces_of(tokens or TokenSet())
        """What may be kept of the tokens in force."""
        self._issuer: TokenIssuer | None = None
        self._known: dict[bytes, Principal] = {}
        self.failures = FailureMeter()

    @property
    def is_open(self) -> bool:
        """Whether anybody may do anything."""
        return self._tokens is None and self._issuer is None

    @property
    def has_tokens(self) -> bool:
        """Whether it knows tokens of a file."""
        return self._tokens is not None

    def replace(self, tokens: TokenSet) -> Changes:
        """Puts other tokens in force from the next request on; returns what changed."""
        self._tokens = tokens
        former, self.traces = self.traces, traces_of(tokens)
        self._known.clear()
        return find_token_changes(former, self.traces)

    def replace_issuer(self, issuer: TokenIssuer) -> None:
        """Takes this issuer's JWTs too, from the next request on."""
        self._issuer = issuer
        self._known.clear()

    def recognise(self, authorization: bytes | None, now_us: int) -> Principal | Unauthenticated:
        """The sender of a request with this ``Authorization`` header; None = without one.

        Units: ``now_us`` is microseconds since the epoch.
        """
        if self.is_open:
            return ANYBODY
        if authorization is None:
            return NO_TOKEN
        # A dict compares bytes only if their keyed hashes are equal, so the time of a look-up tells
        # nothing about a token.
        known = self._known.get(authorization)
        if known is not None and (known.expires_us is None or now_us < known.expires_us):
            return known
        self._known.pop(authorization, None)
        bearer = _BEARER.fullmatch(authorization)
        if bearer is None:
            return UNREADABLE
        found = self._look_up(bearer[1], now_us)
        if isinstance(found, Principal):
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[authorization] = found
        return found

    def _look_up(self, sent: bytes, now_us: int) -> Principal | Unauthenticated:
        if self._issuer is not None and sent.count(b".") == JWT_DOTS:
            return self._issuer.recognise(sent, now_us)
        token = None if self._tokens is None else self._tokens.find(sent)
        if token is None:
            return _useless(AccessRefusal.UNKNOWN)
        refusal = token.refusal(now_us)
        if refusal is not None:
            return _useless(refusal, token.name)
        sites = None if token.sites is None else frozenset(token.sites)
        return Principal(token.name, token.role, sites, token.agent, token.expires_us)


def _useless(reason: AccessRefusal, name: str | None = None) -> Unauthenticated:
    detail = f"{_DETAILS[reason]}; ask an administrator for a new one"
    return Unauthenticated(detail, reason, "invalid_token", name)

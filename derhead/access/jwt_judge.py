"""Recognises the owner of an OIDC issuer's JWT, by its signature, terms and claims. Pure.

joserfc, a maintained library, checks signatures and registered claims. It takes only the algorithms
in ``ALGORITHMS``: neither ``none`` nor any with a shared secret.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from derhead.access.access_gate import Unauthenticated
from derhead.access.failure_meter import AccessRefusal
from derhead.access.issuer_terms import IssuerTerms
from derhead.access.roles import Principal, Role

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)
"""Signatures with a key pair: the issuer alone can make them."""

CURVES = ("P-256", "P-384", "P-521", "Ed25519")
"""Curves of these signatures."""

LEEWAY_S = 30
"""Seconds by which the issuer's clock may be off."""

KEYS_AGE_S = 86_400
"""Seconds for which keys of a URL are trusted if they cannot be fetched again."""

NAME_CHARACTERS = 100
"""Characters of a caller's name from a claim. When full, the rest is cut off."""

_ROLES = (Role.ADMIN, Role.OPERATOR, Role.VIEWER)


class BadKeys(ValueError):
    """A text that holds no keys of an issuer."""


@dataclass(frozen=True, slots=True)
class IssuerKeys:
    """The issuer's public keys."""

    keys: KeySet
    good_until_us: int | None
    """Microseconds since the epoch; None = for ever."""


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """What a text holds of keys."""

    keys: KeySet
    unusable: int
    """Further keys, of a kind or curve that ``ALGORITHMS`` do not use, or broken."""


def read_keys(text: bytes) -> FoundKeys:
    """The keys of a JWKS. One that cannot be used is left out (RFC 7517, section 5).

    Raises: BadKeys if the text is something else, or has no key that can be used.
    """
    try:
        listed = json.loads(text)["keys"]
    except (ValueError, KeyError, TypeError, RecursionError) as wrong:
        raise BadKeys(f"it is not a JWKS ({type(wrong).__name__})") from None
    if not isinstance(listed, list):
        raise BadKeys("it is not a JWKS: its keys are not a list")
    usable = [key for key in map(_usable, listed) if key is not None]
    if not usable:
        raise BadKeys("it holds no public key that can be used")
    return FoundKeys(KeySet(usable), len(listed) - len(usable))


def _usable(listed: Any) -> Key | None:
    """The public key of one member of a JWKS; None if the headend cannot use it."""
    try:
        key = JWKRegistry.import_key(listed)
    except (JoseError, ValueError, KeyError, TypeError, UnsupportedAlgorithm, RecursionError):
        return None
    return key if key.key_type == "RSA" or getattr(key, "curve_name", None) in CURVES else None


class JwtJudge:
    """Recognises the owners of JWTs; without ``keys`` it takes none."""

    def __init__(
        self,
        terms: IssuerTerms,
        keys: IssuerKeys | None,
        on_unknown_key: Callable[[], None] = lambda: None,
    ) -> None:
        self._terms = terms
        self._keys = keys
        self._on_unknown_key = on_unknown_key

    def recognise(self, token: bytes, now_us: int) -> Principal | Unauthenticated:
        """Who sent this JWT."""
        keys = self._keys
        if keys is None:
            return _refuse("the issuer's keys are not there yet; try again", AccessRefusal.KEYS)
        if keys.good_until_us is not None and now_us >= keys.good_until_us:
            return _refuse("the issuer's keys are too old; try again", AccessRefusal.KEYS)
        try:
            claims = jwt.decode(token, keys.keys, algorithms=ALGORITHMS).claims
            self._rules(now_us).validate(claims)
        except ExpiredTokenError:
            return _refuse("the token has expired; get a new one", AccessRefusal.EXPIRED)
        except ClaimError as wrong:
            return _refuse(f"the claim {wrong.claim} is missing or wrong", AccessRefusal.UNKNOWN)
        except InvalidKeyIdError:
            self._on_unknown_key()
            return _refuse("the token's key is not one of the issuer's", AccessRefusal.UNKNOWN)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError):
            return _refuse("the issuer has not signed this token", AccessRefusal.UNKNOWN)
        return self._principal(claims, keys.good_until_us)

    def _rules(self, now_us: int) -> jwt.JWTClaimsRegistry:
        terms = self._terms
        wanted: dict[str, Any] = {
            terms.name_claim: {"essential": True},
            "iss": {"essential": True, "value": terms.issuer},
            "aud": {"essential": True, "value": terms.audience},
            "exp": {"essential": True},
        }
        return jwt.JWTClaimsRegistry(now=now_us // 1_000_000, leeway=LEEWAY_S, **wanted)

    def _principal(
        self, claims: Mapping[str, Any], good_until_us: int | None
    ) -> Principal | Unauthenticated:
        terms = self._terms
        words = _words(claims, terms.role_claim)
        role = next((role for role in _ROLES if role in words), None)
        if role is None:
            detail = f"the claim {terms.role_claim} has none of {', '.join(reversed(_ROLES))}"
            return _refuse(detail, AccessRefusal.ROLE)
        sites = None if terms.sites_claim is None else frozenset(_words(claims, terms.sites_claim))
        name = f"oidc:{claims[terms.name_claim]}"[:NAME_CHARACTERS]
        expires_us = (int(claims["exp"]) + LEEWAY_S) * 1_000_000
        # The gate remembers callers, but for no longer than the keys are trusted.
        if good_until_us is not None:
            expires_us = min(expires_us, good_until_us)
        return Principal(name, role, sites, expires_us=expires_us)


def _words(claims: Mapping[str, Any], path: str) -> tuple[str, ...]:
    """The words of a claim: a text and its parts between blanks, or the texts of a list."""
    found: object = claims
    if path in claims:
        found = claims[path]
    else:
        for name in path.split("."):
            found = found.get(name) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return (found, *found.split())
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()


def _refuse(detail: str, reason: AccessRefusal) -> Unauthenticated:
    return Unauthenticated(detail, reason, "invalid_token")

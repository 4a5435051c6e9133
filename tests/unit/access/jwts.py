"""JWTs for tests, and the issuer that signs them."""

import json
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from derhead.access import IssuerTerms

NOW_S = 1_767_000_000
NOW = NOW_S * 1_000_000
TERMS = IssuerTerms("https://login.example", "derhead", role_claim="realm.roles")
KEY = RSAKey.generate_key(2048, {"kid": "one"})
CURVE = ECKey.generate_key("P-256", {"kid": "two"})
CLAIMS: dict[str, Any] = {
    "iss": TERMS.issuer,
    "aud": ["other", "derhead"],
    "sub": "ann",
    "exp": NOW_S + 300,
    "realm": {"roles": ["offline_access", "viewer", "operator"]},
}


def jwks(*keys: Any) -> bytes:
    return json.dumps(KeySet(list(keys)).as_dict(private=False)).encode()


def sign(key: Any = KEY, alg: str = "RS256", /, kid: str | None = None, **claims: object) -> bytes:
    whole = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    header = {"alg": alg, "kid": kid or key.kid}
    return jwt.encode(header, whole, key, algorithms=[alg]).encode()

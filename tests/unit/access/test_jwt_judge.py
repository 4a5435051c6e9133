"""JWTs of an issuer: who they are of, and which are refused."""

import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from derhead.access import AccessGate, IssuerTerms, Principal, Role, Unauthenticated
from derhead.access.failure_meter import AccessRefusal
from derhead.access.jwt_judge import LEEWAY_S, BadKeys, IssuerKeys, JwtJudge, read_keys
from tests.unit.access.jwts import CURVE, KEY, NOW, NOW_S, TERMS, jwks, sign


def make_keys(*keys: Any, good_until_us: int | None = None) -> IssuerKeys:
    return IssuerKeys(read_keys(jwks(*(keys or (KEY, CURVE)))).keys, good_until_us)


def judge(token: bytes, terms: IssuerTerms = TERMS, now_us: int = NOW) -> object:
    return JwtJudge(terms, make_keys()).recognise(token, now_us)


@pytest.mark.parametrize(("key", "alg"), [(KEY, "RS256"), (KEY, "PS512"), (CURVE, "ES256")])
def test_a_good_jwt_tells_who_its_owner_is(key: Any, alg: str) -> None:
    found = judge(sign(key, alg))
    expires_us = (NOW_S + 300 + LEEWAY_S) * 1_000_000
    assert found == Principal("oidc:ann", Role.OPERATOR, expires_us=expires_us)


def unsigned() -> bytes:
    """As ``alg: none`` has it (RFC 7519, 6.1)."""
    _, payload, _ = sign().split(b".")
    return urlsafe_b64encode(b'{"alg":"none","kid":"one"}').rstrip(b"=") + b"." + payload + b"."


def of_a_shared_secret() -> bytes:
    """Signed with the issuer's public key, which everybody has, as a secret."""
    _, payload, _ = sign().split(b".")
    text = urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=") + b"." + payload
    secret = KEY.as_pem(private=False)
    return text + b"." + urlsafe_b64encode(hmac.digest(secret, text, "sha256")).rstrip(b"=")


def headed(**header: object) -> bytes:
    """A good JWT under another header, which says how to check it."""
    _, payload, signature = sign().split(b".")
    text = urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=")
    return b".".join((text, payload, signature))


def payload_of(text: bytes) -> bytes:
    """The issuer has signed that text."""
    return jws.serialize_compact({"alg": "RS256", "kid": "one"}, text, KEY).encode()


STRANGER = RSAKey.generate_key(2048, {"kid": "one"})
DEEP = b"[" * 50_000 + b"]" * 50_000
"""Deeper than the parser of any Python goes."""


def changed() -> bytes:
    header, _, signature = sign().split(b".")
    _, payload, _ = sign(sub="bob").split(b".")
    return b".".join((header, payload, signature))


@pytest.mark.parametrize(
    ("token", "reason", "why"),
    [
        (unsigned(), AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (of_a_shared_secret(), AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (changed(), AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (b"a.b.c", AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (sign(STRANGER), AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (headed(alg="RS256", kid="two"), AccessRefusal.UNKNOWN, "the issuer has not signed"),
        (headed(alg="RS256"), AccessRefusal.UNKNOWN, "the token's key is not one of the issuer's"),
        (headed(alg="RS256", kid=["one"]), AccessRefusal.UNKNOWN, "the issuer has not signed"),
        (
            # Keys that a token brings along, or points to, are nobody's.
            headed(
                alg="RS256",
                kid="three",
                jwk=STRANGER.as_dict(private=False),
                jku="https://evil.example/keys",
            ),
            AccessRefusal.UNKNOWN,
            "the issuer has not signed this token",
        ),
        (
            headed(alg="RS256", kid="one", crit=["exp"]),
            AccessRefusal.UNKNOWN,
            "the issuer has not signed",
        ),
        (b"." * 2 + b"x" * 1_000_000, AccessRefusal.UNKNOWN, "the issuer has not signed"),
        (
            payload_of(b'{"exp": ' + DEEP + b"}"),
            AccessRefusal.UNKNOWN,
            "the issuer has not signed",
        ),
        (payload_of(b"[]"), AccessRefusal.UNKNOWN, "the issuer has not signed this token"),
        (sign(exp="9999999999"), AccessRefusal.UNKNOWN, "the claim exp"),
        (sign(aud="derheads"), AccessRefusal.UNKNOWN, "the claim aud"),
        (sign(kid="three"), AccessRefusal.UNKNOWN, "the token's key is not one of the issuer's"),
        (sign(aud="other"), AccessRefusal.UNKNOWN, "the claim aud"),
        (sign(aud=None), AccessRefusal.UNKNOWN, "the claim aud"),
        (sign(iss="https://evil.example"), AccessRefusal.UNKNOWN, "the claim iss"),
        (sign(iss=None), AccessRefusal.UNKNOWN, "the claim iss"),
        (sign(sub=None), AccessRefusal.UNKNOWN, "the claim sub"),
        (sign(exp=None), AccessRefusal.UNKNOWN, "the claim exp"),
        (sign(exp=NOW_S - LEEWAY_S), AccessRefusal.EXPIRED, "has expired"),
        (sign(nbf=NOW_S + LEEWAY_S + 1), AccessRefusal.UNKNOWN, "the claim nbf"),
        (sign(realm=None), AccessRefusal.ROLE, "has none of viewer, operator, admin"),
        (sign(realm={"roles": ["king", "agent"]}), AccessRefusal.ROLE, "the claim realm.roles"),
    ],
)
def test_other_jwts_are_refused(token: bytes, reason: AccessRefusal, why: str) -> None:
    found = judge(token)
    assert isinstance(found, Unauthenticated)
    assert found.reason is reason
    assert why in found.detail
    assert found.error == "invalid_token"


@pytest.mark.parametrize("until_us", [None, NOW])
def test_without_keys_or_with_old_ones_no_jwt_is_taken(until_us: int | None) -> None:
    keys = None if until_us is None else make_keys(good_until_us=until_us)
    found = JwtJudge(TERMS, keys).recognise(sign(), NOW)
    assert isinstance(found, Unauthenticated)
    assert found.reason is AccessRefusal.KEYS
    good = JwtJudge(TERMS, make_keys(good_until_us=NOW + 1)).recognise(sign(), NOW)
    assert isinstance(good, Principal)


def test_an_unknown_key_asks_for_fresh_keys() -> None:
    asked: list[bool] = []
    judge = JwtJudge(TERMS, make_keys(KEY), lambda: asked.append(True))
    judge.recognise(changed(), NOW)
    assert asked == []
    judge.recognise(sign(CURVE, "ES256"), NOW)
    assert asked == [True]


@pytest.mark.parametrize(
    ("claims", "role", "sites"),
    [
        ({"role": "viewer", "sites": ["North", "South"]}, Role.VIEWER, {"North", "South"}),
        ({"role": "x admin", "sites": "North"}, Role.ADMIN, {"North"}),
        ({"role": ["viewer"]}, Role.VIEWER, set()),
        ({"role": "viewer", "sites": 5}, Role.VIEWER, set()),
    ],
)
def test_role_and_sites_come_from_claims(
    claims: dict[str, Any], role: Role, sites: set[str]
) -> None:
    terms = IssuerTerms(TERMS.issuer, TERMS.audience, sites_claim="sites")
    found = judge(sign(**claims), terms)
    assert isinstance(found, Principal)
    assert (found.role, found.sites) == (role, frozenset(sites))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"[]",
        b'{"keys": []}',
        b'{"keys": 5}',
        DEEP,
        b'{"keys": ' + DEEP + b"}",
        b'{"keys": {"kty": "RSA"}}',
        b'{"keys": [{"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}',
        b'{"keys": [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, 5]}',
    ],
)
def test_a_text_without_public_keys_is_refused(text: bytes) -> None:
    with pytest.raises(BadKeys):
        read_keys(text)


UNUSABLE: list[Any] = [
    {"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
    {"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"},
    {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    {"kty": "RSA", "e": "AQAB"},
    {"kty": "RSA", "n": "!", "e": "AQAB"},
    {"kty": ["RSA"]},
    {"x": 1},
    None,
    ECKey.generate_key("secp256k1").as_dict(private=False),
    OKPKey.generate_key("X25519").as_dict(private=False),
]


@pytest.mark.parametrize("listed", UNUSABLE)
def test_a_key_that_cannot_be_used_leaves_the_others_in_force(listed: Any) -> None:
    text = json.dumps({"keys": [listed, *json.loads(jwks(KEY, CURVE))["keys"]]})
    found = read_keys(text.encode())
    assert ([key.kid for key in found.keys.keys], found.unusable) == (["one", "two"], 1)
    gate = JwtJudge(TERMS, IssuerKeys(found.keys, None))
    assert isinstance(gate.recognise(sign(CURVE, "ES256"), NOW), Principal)


def test_a_gate_takes_jwts_beside_tokens_and_forgets_them_with_their_keys() -> None:
    gate = AccessGate()
    assert gate.is_open
    gate.replace_issuer(JwtJudge(TERMS, None))
    assert not gate.is_open
    header = b"Bearer " + sign()
    assert isinstance(gate.recognise(header, NOW), Unauthenticated)
    gate.replace_issuer(JwtJudge(TERMS, make_keys()))
    assert isinstance(gate.recognise(header, NOW), Principal)
    late_us = NOW + (300 + LEEWAY_S) * 1_000_000
    assert isinstance(gate.recognise(header, late_us), Unauthenticated)
    gate.replace_issuer(JwtJudge(TERMS, make_keys(CURVE)))
    assert isinstance(gate.recognise(header, NOW), Unauthenticated)


def test_a_remembered_caller_is_forgotten_when_the_keys_are_too_old() -> None:
    gate = AccessGate()
    gate.replace_issuer(JwtJudge(TERMS, make_keys(good_until_us=NOW + 1)))
    header = b"Bearer " + sign()
    assert isinstance(gate.recognise(header, NOW), Principal)
    found = gate.recognise(header, NOW + 1)
    assert isinstance(found, Unauthenticated)
    assert found.reason is AccessRefusal.KEYS


def test_refused_jwts_are_not_remembered() -> None:
    gate = AccessGate()
    gate.replace_issuer(JwtJudge(TERMS, make_keys()))
    for number in range(2_000):
        gate.recognise(b"Bearer a.b.%d" % number, NOW)
    assert not gate._known

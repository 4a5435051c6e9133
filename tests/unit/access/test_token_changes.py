"""What a new file of tokens changes: in words, and token by token, without secrets."""

import json
from dataclasses import replace

from derhead.access import AccessGate, Token, TokenSet, digest_of, find_token_changes
from derproto.base.timefmt import format_us
from tests.support.access import VIEWER, make_tokens

NOW = 1_767_000_000_000_000
TOKENS = make_tokens(NOW)
VIEWER_TOKEN, OPERATOR_TOKEN, ADMIN_TOKEN = TOKENS.all[:3]


def test_a_change_is_told_in_words() -> None:
    gate = AccessGate()

    def words(tokens: TokenSet) -> str:
        return gate.replace(tokens).words

    assert words(TokenSet(TOKENS.all[:2])) == "added viewer, operator"
    assert words(TokenSet(TOKENS.all[:2])) == ""
    assert words(TokenSet(TOKENS.all[1:3])) == "added admin; removed viewer"
    assert words(TokenSet(TOKENS.all[1:3]).with_revoked("admin", NOW)) == "revoked admin"
    longer = replace(OPERATOR_TOKEN, expires_us=None)
    assert words(TokenSet([longer, ADMIN_TOKEN])) == "changed operator, admin"


def test_each_token_is_told_as_it_was_and_as_it_is() -> None:
    gate = AccessGate(TokenSet([VIEWER_TOKEN, OPERATOR_TOKEN]))
    limited = replace(OPERATOR_TOKEN, sites=("Alamosa",), expires_us=NOW)
    items = gate.replace(TokenSet([limited, ADMIN_TOKEN])).items
    at = format_us(NOW - 10)
    assert [(each.name, each.before, each.after) for each in items] == [
        (
            "operator",
            {"role": "operator", "sites": "all", "created": at, "expires": format_us(NOW + 1)},
            {"role": "operator", "sites": ["Alamosa"], "created": at, "expires": format_us(NOW)},
        ),
        ("admin", None, {"role": "admin", "sites": "all", "created": at, "expires": "never"}),
        ("viewer", {"role": "viewer", "sites": "all", "created": at, "expires": "never"}, None),
    ]
    (revoked,) = gate.replace(TokenSet([limited, ADMIN_TOKEN]).with_revoked("admin", NOW)).items
    assert revoked.after == {**(revoked.before or {}), "revoked": format_us(NOW)}


def test_who_made_and_who_revoked_a_token_is_told_as_the_file_says() -> None:
    gate = AccessGate(TokenSet())
    by_anna = replace(VIEWER_TOKEN, created_by="anna")

    def told(*tokens: Token) -> list[str]:
        return [each.told for each in gate.replace(TokenSet(tokens)).items]

    assert told(by_anna, ADMIN_TOKEN) == [
        "added in the file of tokens by anna",
        "added in the file of tokens",
    ]
    (revoked,) = TokenSet([by_anna]).with_revoked("viewer", NOW, "ben").all
    assert told(revoked, ADMIN_TOKEN) == ["revoked in the file of tokens by ben"]
    anew = replace(by_anna, created_us=NOW, created_by="carl", digest=digest_of(b"other"))
    assert told(anew) == [
        "changed (created, created_by, revoked, revoked_by, secret) in the file of tokens by carl",
        "removed in the file of tokens",
    ]
    edited = replace(anew, expires_us=NOW)
    assert told(edited) == ["changed (expires) in the file of tokens"]


def test_what_is_kept_of_tokens_finds_changes_after_a_restart() -> None:
    many = replace(VIEWER_TOKEN, sites=tuple(f"site {n}" for n in range(30)))
    kept = json.loads(json.dumps(AccessGate(TokenSet([many])).traces))
    assert find_token_changes(kept, AccessGate(TokenSet([many])).traces).items == ()
    fewer = replace(many, sites=many.sites[:29] if many.sites else None)
    (item,) = find_token_changes(kept, AccessGate(TokenSet([fewer])).traces).items
    assert item.told == "changed (sites) in the file of tokens"
    assert VIEWER_TOKEN.digest.hex()[:8] not in str(kept)


def test_a_replaced_secret_is_told_and_no_part_of_it() -> None:
    other = replace(VIEWER_TOKEN, digest=digest_of(b"other"))
    (item,) = AccessGate(TokenSet([VIEWER_TOKEN])).replace(TokenSet([other])).items
    assert item.after == {**(item.before or {}), "secret": "replaced"}
    assert VIEWER not in str(item)
    for digest in (VIEWER_TOKEN.digest, other.digest):
        assert digest.hex()[:8] not in str(item)


def test_only_some_of_many_sites_are_named() -> None:
    many = replace(VIEWER_TOKEN, sites=tuple(f"site {n}" for n in range(1000)))
    (item,) = AccessGate(TokenSet()).replace(TokenSet([many])).items
    sites = (item.after or {})["sites"]
    assert isinstance(sites, list)
    assert (len(sites), sites[-1]) == (21, "and 980 more")

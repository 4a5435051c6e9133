"""What a new file of tokens changes, without a secret or a hash: pure."""

from derhead.access.tokens import Token, TokenSet
from derproto.base.timefmt import format_us
from derproto.configuration.changes import ChangedItem, Changes

SITES_NAMED = 20
"""Sites of a token that are named. When full: the others are counted."""


def find_token_changes(former: TokenSet, now: TokenSet) -> Changes:
    """The differences from the former tokens: in words, and token by token."""
    before, after = ({each.name: each for each in tokens.all} for tokens in (former, now))
    found = [
        _change(name, before.get(name), after.get(name))
        for name in {**after, **before}
        if before.get(name) != after.get(name)
    ]
    names: dict[str, list[str]] = {"added": [], "removed": [], "revoked": [], "changed": []}
    for item in found:
        names[_verb(item)].append(item.name)
    words = "; ".join(f"{verb} {', '.join(listed)}" for verb, listed in names.items() if listed)
    return Changes(words, tuple(found))


def _verb(item: ChangedItem) -> str:
    if item.before is None:
        return "added"
    if item.after is None:
        return "removed"
    return "revoked" if "revoked" in item.after and "revoked" not in item.before else "changed"


def _change(name: str, before: Token | None, after: Token | None) -> ChangedItem:
    was = None if before is None else _shown(before)
    now = None if after is None else _shown(after)
    replaced = before is not None and after is not None and before.digest != after.digest
    if now is not None and replaced:
        now["secret"] = "replaced"
    return ChangedItem(name, was, now)


def _shown(token: Token) -> dict[str, object]:
    shown: dict[str, object] = {"role": token.role.value}
    if token.agent is not None:
        shown["agent"] = token.agent
    else:
        shown["sites"] = "all" if token.sites is None else _named(token.sites)
    shown["created"] = format_us(token.created_us)
    shown["expires"] = "never" if token.expires_us is None else format_us(token.expires_us)
    if token.revoked_us is not None:
        shown["revoked"] = format_us(token.revoked_us)
    return shown


def _named(sites: tuple[str, ...]) -> list[str]:
    more = len(sites) - SITES_NAMED
    return [*sites[:SITES_NAMED], *([f"and {more} more"] if more > 0 else [])]

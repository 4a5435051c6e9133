"""What a new file of tokens changes, without a secret or a hash: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

from derhead.access.tokens import Token, TokenSet
from derproto.base.timefmt import format_us
from derproto.configuration.changes import ChangedItem, Changes

SITES_NAMED = 20
"""Sites of a token that are named. When full: the others are counted."""

VERBS = ("added", "removed", "revoked", "changed")

SECRET = "secret"
"""The member of a trace that differs once the token has another secret."""

TokenTrace = Mapping[str, object]
"""What may be kept of a token, as JSON: its members, and a mark in place of its hash."""

TokenTraces = Mapping[str, TokenTrace]
"""The traces of all tokens of a file, by name."""


@dataclass(frozen=True, slots=True)
class _Found:
    verb: str
    by: object = None
    """The user who did it, if the file says so."""


def traces_of(tokens: TokenSet) -> TokenTraces:
    """What may be kept of these tokens, to find later changes."""
    return {token.name: _trace(token) for token in tokens.all}


def find_token_changes(former: TokenTraces, now: TokenTraces) -> Changes:
    """The differences from the former tokens: in words, and token by token."""
    names: dict[str, list[str]] = {verb: [] for verb in VERBS}
    items = []
    for name in {**now, **former}:
        before, after = former.get(name), now.get(name)
        if before != after:
            found = _find(before, after)
            names[found.verb].append(name)
            items.append(_item(name, before, after, found))
    words = "; ".join(f"{verb} {', '.join(listed)}" for verb, listed in names.items() if listed)
    return Changes(words, tuple(items))


def _find(before: TokenTrace | None, after: TokenTrace | None) -> _Found:
    if after is None:
        return _Found("removed")
    if before is None:
        return _Found("added", after.get("created_by"))
    if before["created"] != after["created"]:
        return _Found("changed", after.get("created_by"))
    if "revoked" in after and "revoked" not in before:
        return _Found("revoked", after.get("revoked_by"))
    return _Found("changed")


def _item(
    name: str, before: TokenTrace | None, after: TokenTrace | None, found: _Found
) -> ChangedItem:
    was = None if before is None else _shown(before)
    now = None if after is None else _shown(after)
    what = found.verb
    if before is not None and after is not None and was is not None and now is not None:
        if before[SECRET] != after[SECRET]:
            now[SECRET] = "replaced"
        if what == "changed":
            differ = [key for key in {**was, **now} if was.get(key) != now.get(key)]
            what = f"changed ({', '.join(differ)})"
    by = f" by {found.by}" if found.by else ""
    return ChangedItem(name, was, now, f"{what} in the file of tokens{by}")


def _trace(token: Token) -> TokenTrace:
    trace: dict[str, object] = {"role": token.role.value}
    if token.agent is not None:
        trace["agent"] = token.agent
    else:
        trace["sites"] = "all" if token.sites is None else list(token.sites)
    trace["created"] = format_us(token.created_us)
    trace["expires"] = "never" if token.expires_us is None else format_us(token.expires_us)
    more = {
        "created_by": token.created_by,
        "revoked": None if token.revoked_us is None else format_us(token.revoked_us),
        "revoked_by": token.revoked_by,
    }
    trace |= {key: value for key, value in more.items() if value is not None}
    return {**trace, SECRET: blake2b(token.digest, digest_size=8).hexdigest()}


def _shown(trace: TokenTrace) -> dict[str, object]:
    """The trace for people: without the mark, and with some of many sites."""
    shown = {key: value for key, value in trace.items() if key != SECRET}
    sites = shown.get("sites")
    if isinstance(sites, list) and len(sites) > SITES_NAMED:
        shown["sites"] = [*sites[:SITES_NAMED], f"and {len(sites) - SITES_NAMED} more"]
    return shown

"""Reads the file of tokens, with every problem in one pass, and writes it whole.

``derhead token`` writes the file. It holds no token, but its names and roles help an attacker, and
anyone who can write it can add a token. So only its owner may have access.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from derhead.access.roles import ANY_AGENT, Role
from derhead.access.tokens import MOST_TOKENS, NAME, Token, TokenSet
from derproto.base.private_files import private_file
from derproto.base.timefmt import format_us, parse_us
from derproto.configuration.kinds import AGENT, FromText, Texts, member
from derproto.configuration.problems import ConfigError, Problem
from derproto.configuration.secret_files import refusal_of_access
from derproto.configuration.yamlfile import Section, load_yaml

HEADING = """\
# Tokens for derhead, written by `derhead token`. It holds their hashes; a token is shown only once.
"""

ADVICE = "make a token with derhead token add"

USER_LENGTH = 80
"""Characters of the user who made or revoked a token."""

_SHA256 = re.compile("[0-9a-f]{64}")


def _name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a name; write 1 to 64 of A-Z a-z 0-9 . _ @ -")
    return text


def _digest(text: str) -> bytes:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a SHA-256; {ADVICE}")
    return bytes.fromhex(text)


def _user(text: str) -> str:
    if not text.isprintable() or not 0 < len(text) <= USER_LENGTH:
        raise ValueError(f"{text[:80]!r} is not a user; write 1 to {USER_LENGTH} letters")
    return text


TOKEN_NAME = FromText(_name, "a name")
TOKEN_ROLE = member(Role, "role")
TOKEN_SITES = Texts()
TIME = FromText(parse_us, "a time such as 2026-01-31T12:00:00Z, in quotes")
TOKEN_AGENT = FromText(
    lambda text: text if text == ANY_AGENT else AGENT.convert(text),
    f"an agent's id, or {ANY_AGENT} for any",
)
_USER = FromText(_user, "the name of a user")
_SHA = FromText(_digest, "64 digits 0-9 a-f, in quotes")
_KEYS = (
    "name",
    "role",
    "sites",
    "agent",
    "sha256",
    "created",
    "created_by",
    "expires",
    "revoked",
    "revoked_by",
)


def read_token_file(path: Path) -> TokenSet:
    """The tokens of that file. May block. Raises: ConfigError with every problem."""
    problems: list[Problem] = []
    refused = refusal_of_access(path)
    if refused is not None:
        raise ConfigError([Problem(str(path), None, "", refused)])
    whole = load_yaml(path, problems)
    found: list[Token] = []
    if whole is not None:
        whole.refuse_unknown(("tokens",))
        sections = list(whole.sections("tokens", ADVICE))
        if len(sections) > MOST_TOKENS:
            whole.complain("tokens", f"more than {MOST_TOKENS}; remove revoked ones")
        for section in sections[:MOST_TOKENS]:
            token = _read_token(section)
            if token is None:
                continue
            if any(token.name == other.name for other in found):
                section.complain("name", f"{token.name} is written twice; keep one of them")
            if any(token.digest == other.digest for other in found):
                section.complain("sha256", "written twice; keep one of them")
            found.append(token)
    if problems:
        raise ConfigError(problems)
    return TokenSet(found)


def _read_token(section: Section) -> Token | None:
    section.refuse_unknown(_KEYS)
    name = section.require("name", TOKEN_NAME, ADVICE)
    role = section.require("role", TOKEN_ROLE, f"write {TOKEN_ROLE.wanted}")
    digest = section.require("sha256", _SHA, ADVICE)
    created_us = section.require("created", TIME, f"write {TIME.wanted}")
    sites = section.optional("sites", TOKEN_SITES)
    if sites is None and section.value("sites") is not None:
        # The mistake is noted. Without its sites, the token would be one for all sites.
        return None
    agent = section.optional("agent", TOKEN_AGENT)
    if role is not None and (role is Role.AGENT) is not (section.value("agent") is not None):
        section.complain("agent", "write it for a token of the role agent, and for no other")
    expires_us = section.optional("expires", TIME)
    revoked_us = section.optional("revoked", TIME)
    created_by = section.optional("created_by", _USER)
    revoked_by = section.optional("revoked_by", _USER)
    if name is None or role is None or digest is None or created_us is None:
        return None
    return Token(
        name, role, digest, created_us, sites, agent, expires_us, revoked_us, created_by, revoked_by
    )


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Locks the file against other commands, for the block. May block. Raises: OSError."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def write_token_file(path: Path, tokens: TokenSet) -> None:
    """Writes the file whole, for its owner only. Raises: OSError; then the file is as before.

    If root writes the file, it belongs to the owner of the former file, or else of the folder: the
    daemon's user.
    """
    with private_file(path) as file:
        if os.geteuid() == 0:
            owner = os.stat(path if path.exists() else path.parent)
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(render(tokens).encode("utf-8"))


def render(tokens: TokenSet) -> str:
    """The file's text: YAML, with a line for each token."""
    return HEADING + "tokens:\n" + "".join(f"  - {_line(token)}\n" for token in tokens.all)


def _line(token: Token) -> str:
    items = {
        "name": token.name,
        "role": token.role.value,
        "sites": None if token.sites is None else list(token.sites),
        "agent": token.agent,
        "sha256": token.digest.hex(),
        "created": format_us(token.created_us),
        "created_by": token.created_by,
        "expires": None if token.expires_us is None else format_us(token.expires_us),
        "revoked": None if token.revoked_us is None else format_us(token.revoked_us),
        "revoked_by": token.revoked_by,
    }
    given = (f"{key}: {json.dumps(value)}" for key, value in items.items() if value is not None)
    return "{" + ", ".join(given) + "}"

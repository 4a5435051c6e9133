"""`derhead token`: makes, lists and revokes the tokens of REST; a running headend follows."""

import os
import pwd
import re
import secrets
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _SubParsersAction
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from derhead.access import (
    MOST_TOKENS,
    SECRET_BYTES,
    TOKEN_AGENT,
    TOKEN_NAME,
    TOKEN_ROLE,
    USER_LENGTH,
    Role,
    Token,
    TokenSet,
    changing,
    digest_of,
    read_token_file,
    spell,
    write_token_file,
)
from derhead.audit import printable
from derhead.config import load_token_path
from derhead.errors import TokenRefused
from derproto.base.private_files import private_file
from derproto.base.runtime import real_runtime
from derproto.base.timefmt import format_us, parse_us
from derproto.configuration.command_line import add_command
from derproto.configuration.kinds import Kind
from derproto.configuration.settings import settings_note
from derproto.stdio.command import put_out
from derproto.stdio.terminal import columns, rendered

T = TypeVar("T")

TOKEN_EXAMPLES = {
    "add": "derhead token add anna --role operator --expires 90d --output anna.token",
    "list": "derhead token list --config /etc/derhead/derhead.yaml",
    "revoke": "derhead token revoke anna",
}

_DAYS = re.compile(r"([0-9]{1,5})d")
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a new token expires: at a time, or after a span."""

    at_us: int | None = None
    after_us: int = 0

    def us(self, now_us: int) -> int:
        """Microseconds since the epoch."""
        return now_us + self.after_us if self.at_us is None else self.at_us


def add_token_command(commands: "_SubParsersAction[Any]") -> None:
    """Adds the command to ``derhead``'s."""
    does = "make, list and revoke the tokens that REST asks for"
    token = add_command(commands, "token", does, "derhead token list")
    kinds = token.add_subparsers(dest="kind", required=True, metavar="COMMAND")
    add = _add(kinds, "add", "make a token and print it, this once")
    add.add_argument("name", metavar="NAME", type=_typed(TOKEN_NAME), help="who will use it")
    add.add_argument(
        "--role",
        metavar="R",
        type=_typed(TOKEN_ROLE),
        required=True,
        help="viewer (reads), operator (also orders and withdraws), admin, or agent",
    )
    add.add_argument(
        "--agent",
        metavar="ID",
        type=_typed(TOKEN_AGENT),
        help="the agent that may use a token of the role agent, or * for any (default: NAME)",
    )
    add.add_argument(
        "--site",
        metavar="S",
        action="append",
        help="id or name of a site that it is limited to; may repeat (default: all sites)",
    )
    add.add_argument(
        "--expires",
        metavar="D",
        type=_expiry,
        help="days such as 90d, or a time such as 2027-01-31T00:00:00Z (default: never)",
    )
    add.add_argument(
        "--output",
        metavar="F",
        help="new file for the token, which only you may read (default: standard output)",
    )
    _add(kinds, "list", "list the tokens")
    revoke = _add(kinds, "revoke", "make a token useless from now on")
    revoke.add_argument("name", metavar="NAME", type=_typed(TOKEN_NAME), help="the token's name")


def _add(kinds: "_SubParsersAction[ArgumentParser]", name: str, does: str) -> ArgumentParser:
    example = TOKEN_EXAMPLES[name]
    command = add_command(kinds, name, does, example, note=settings_note("DERHEAD", "tokens"))
    command.add_argument("--config", metavar="F", help="YAML file of the headend's settings")
    command.add_argument("--tokens", metavar="F", help="file of the tokens")
    return command


def _typed(kind: Kind[T]) -> Callable[[str], T]:
    def parse(text: str) -> T:
        try:
            return kind.parse(text)
        except ValueError as wrong:
            raise ArgumentTypeError(str(wrong)) from None

    return parse


def _expiry(text: str) -> Expiry:
    days = _DAYS.fullmatch(text)
    if days is not None and int(days[1]):
        return Expiry(after_us=int(days[1]) * _DAY_US)
    try:
        return Expiry(at_us=parse_us(text))
    except ValueError:
        raise ArgumentTypeError(
            f"{text!r} is no expiry; write days such as 90d, or a time such as 2027-01-31T00:00:00Z"
        ) from None


def run_token(flags: Namespace) -> None:
    """Runs the command. Raises: ConfigError, TokenRefused, OSError."""
    sites = flags.site or () if flags.kind == "add" else ()
    path = load_token_path(flags, os.environ, sites)
    now_us = real_runtime().wall_us() // 1_000_000 * 1_000_000
    if flags.kind == "list":
        put_out(describe(read_token_file(path), now_us))
        return
    with changing(path):
        if flags.kind == "add":
            _make(path, flags, now_us)
        else:
            _revoke(path, flags.name, now_us)


def _make(path: Path, flags: Namespace, now_us: int) -> None:
    tokens = read_token_file(path) if path.exists() else TokenSet()
    present = tokens.named(flags.name)
    if present is not None and present.refusal(now_us) is None:
        raise TokenRefused(
            f"there is a token {flags.name} in {path}; revoke it, or give another name"
        )
    if present is None and len(tokens.all) >= MOST_TOKENS:
        raise TokenRefused(f"{path} holds {MOST_TOKENS} tokens; remove lines of revoked ones")
    expires_us = None if flags.expires is None else flags.expires.us(now_us)
    if expires_us is not None and expires_us <= now_us:
        raise TokenRefused(f"{format_us(expires_us)} is over; give a later --expires")
    sites = None if flags.site is None else tuple(dict.fromkeys(flags.site))
    agent = _agent_of(flags)
    secret = spell(secrets.token_bytes(SECRET_BYTES))
    digest = digest_of(secret.encode())
    token = Token(
        *(flags.name, flags.role, digest, now_us, sites, agent, expires_us), created_by=_user()
    )
    added = f"{token.name} ({token.role}) is in {path}."
    if flags.output is None:
        write_token_file(path, tokens.with_token(token))
        # The token alone is on standard output, for scripts.
        print(f"{added} Its token is shown only now:", file=sys.stderr)
        put_out(f"{secret}\n")
        return
    output = Path(flags.output)
    with _new_file(output, secret):
        write_token_file(path, tokens.with_token(token))
    print(f"{added} Its token is in {output}, and nowhere else", file=sys.stderr)


@contextmanager
def _new_file(path: Path, secret: str) -> Iterator[None]:
    """Writes the token to a new file, which goes again if the block fails."""
    try:
        with private_file(path, os.link) as file:
            file.write(f"{secret}\n".encode())
    except FileExistsError:
        raise TokenRefused(f"there is a file {path}; move it away, or name another") from None
    try:
        yield
    except BaseException:
        path.unlink()
        raise


def _user() -> str:
    """Who runs the command, as the system says: behind sudo, who called it."""
    name = os.environ.get("SUDO_USER") if os.geteuid() == 0 else None
    if not name:
        try:
            name = pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            name = f"user {os.getuid()}"
    return printable(name[:USER_LENGTH])


def _agent_of(flags: Namespace) -> str | None:
    """The agent of the new token."""
    if flags.role is not Role.AGENT:
        if flags.agent is not None:
            raise TokenRefused("--agent is for --role agent; leave out one of them")
        return None
    if flags.site is not None:
        raise TokenRefused("--site is not for agents; assets.yaml says what each may hold")
    agent: str = flags.agent or flags.name
    try:
        return TOKEN_AGENT.parse(agent)
    except ValueError as wrong:
        raise TokenRefused(f"{wrong}; give it as --agent ID") from None


def _revoke(path: Path, name: str, now_us: int) -> None:
    tokens = read_token_file(path)
    present = tokens.named(name)
    if present is None:
        raise TokenRefused(f"there is no token {name} in {path}; derhead token list shows them")
    if present.revoked_us is not None:
        raise TokenRefused(f"{name} was revoked at {format_us(present.revoked_us)}")
    write_token_file(path, tokens.with_revoked(name, now_us, _user()))
    put_out(f"{name} is revoked\n")


def describe(tokens: TokenSet, now_us: int) -> str:
    """The tokens as a table for people."""
    table = columns("NAME", "ROLE", "FOR", "STATE", "CREATED", "BY", "EXPIRES", words=7)
    for token in tokens.all:
        table.add_row(
            token.name,
            token.role.value,
            _scope(token),
            _state(token, now_us),
            format_us(token.created_us),
            token.created_by or "-",
            "never" if token.expires_us is None else format_us(token.expires_us),
        )
    return rendered(sys.stdout, table) + "\n"


def _scope(token: Token) -> str:
    if token.agent is not None:
        return f"agent {token.agent}"
    return "all sites" if token.sites is None else ", ".join(token.sites)


def _state(token: Token, now_us: int) -> str:
    if token.revoked_us is not None:
        return "revoked" if token.revoked_by is None else f"revoked by {token.revoked_by}"
    return "valid" if token.refusal(now_us) is None else "expired"

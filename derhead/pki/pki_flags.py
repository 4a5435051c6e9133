"""The flags of ``derhead pki``: pure, and light, since every ``derhead`` imports them."""

import re
from argparse import ArgumentParser, ArgumentTypeError, _SubParsersAction
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar

from derproto.configuration.command_line import add_command
from derproto.configuration.kinds import AGENT, Kind, Whole

T = TypeVar("T")

AUTHORITY_DAYS = 3650
"""Days for which a new authority is valid, unless others are given."""

CERTIFICATE_DAYS = 397
"""Days for which other new certificates are valid, unless others are given. Browsers accept no
more of a public authority."""

PKI_EXAMPLES = {
    "init": "derhead pki init --dir pki",
    "server": "derhead pki server headend.example 192.0.2.7",
    "agent": "derhead pki agent north --dir pki",
}

_LABEL = r"(?!-)[0-9A-Za-z-]{1,63}(?<!-)"
_HOST = re.compile(rf"(?:\*[.])?(?:{_LABEL})(?:[.]{_LABEL})*")


def add_parser(commands: "_SubParsersAction[Any]") -> None:
    """Adds the command to ``derhead``'s."""
    does = "make an authority, and certificates for headend and agents"
    pki = add_command(commands, "pki", does, "derhead pki init")
    kinds = pki.add_subparsers(dest="kind", required=True, metavar="KIND")
    authority = _add(kinds, "init", "make an authority", AUTHORITY_DAYS)
    authority.add_argument(
        "--name", metavar="TEXT", type=_name, default="derhead CA", help="(default: derhead CA)"
    )
    server = _add(kinds, "server", "make a certificate for the headend", CERTIFICATE_DAYS)
    server.add_argument(
        "names",
        metavar="HOST",
        nargs="*",
        type=_host,
        help="DNS names and IP addresses by which agents and browsers reach the headend "
        "(default: this machine's name, localhost, 127.0.0.1 and ::1)",
    )
    agent = _add(kinds, "agent", "make certificates for agents", CERTIFICATE_DAYS)
    agent.add_argument(
        "names",
        metavar="NAME",
        nargs="+",
        type=_agent_id,
        help="the agent's id; several may follow",
    )
    for command in (server, agent):
        command.add_argument(
            "--renew", action="store_true", help="replace the present key and certificate"
        )


def _add(
    kinds: "_SubParsersAction[ArgumentParser]", name: str, does: str, days: int
) -> ArgumentParser:
    command = add_command(kinds, name, does, PKI_EXAMPLES[name])
    command.add_argument(
        "--dir", metavar="DIR", type=Path, default=Path("pki"), help="folder (default: pki)"
    )
    command.add_argument(
        "--days", metavar="N", type=_days, default=days, help=f"days of validity (default: {days})"
    )
    return command


def _days(text: str) -> int:
    return _parse(Whole(1, 36_500), text)


def _agent_id(text: str) -> str:
    return _parse(AGENT, text)


def _name(text: str) -> str:
    if not 1 <= len(text) <= 64 or not text.isprintable():
        raise ArgumentTypeError(f"{text!r} is not a name; write 1 to 64 printable characters")
    return text


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        if len(text) <= 253 and _HOST.fullmatch(text):
            return text.lower()
    raise ArgumentTypeError(
        f"{text!r} is neither a DNS name nor an IP address; write one such as headend.example, "
        "without port"
    )


def _parse(kind: Kind[T], text: str) -> T:
    try:
        return kind.parse(text)
    except ValueError as wrong:
        raise ArgumentTypeError(str(wrong)) from None

"""PostgreSQL's DSN, read as far as is needed to keep its password secret; asyncpg reads the rest.

Pure. No error repeats any part of the text, because a misread part may belong to a password.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

EXAMPLE = "postgresql://derhead@db.example:5432/derhead"

UNREADABLE = (
    f"the hosts or ports of the DSN cannot be read; write {EXAMPLE}, and an IPv6 host as [::1]:5432"
)

_HOSTS = re.compile(r"(?:\[[^\]@]*\]|[^:@,\[\]]*)(?::\d{1,5})?")
"""One host of several, with or without its port; ``[::1]`` is an IPv6 address."""


@dataclass(frozen=True, slots=True)
class Dsn:
    """A DSN for asyncpg; neither ``str`` nor ``repr`` shows its password."""

    text: str = field(repr=False)
    password: str | None = field(repr=False)
    takes_writes: bool
    """The DSN has no ``target_session_attrs``, so the server must be one that takes writes."""
    shown: str

    def __str__(self) -> str:
        """For people: who, where, which database."""
        return self.shown


def read_dsn(text: str) -> Dsn:
    """The DSN of a URI. Raises: ValueError that says what to write."""
    text = text.strip()
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError(UNREADABLE) from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"the DSN does not begin with postgresql://; write {EXAMPLE}")
    if parts.netloc.count("@") > 1 or "@" in parts.path or parts.fragment:
        raise ValueError(
            "the DSN holds @, / or # in a place of another meaning; in a name or password write "
            "@ as %40, / as %2F, ? as %3F and # as %23"
        )
    try:
        said = dict(parse_qsl(parts.query, True, strict_parsing=True)) if parts.query else {}
    except ValueError:
        raise ValueError(
            "the parameters of the DSN cannot be read; write key=value after the ?, joined by &"
        ) from None
    who, _, hosts = parts.netloc.rpartition("@")
    if not all(_HOSTS.fullmatch(host) for host in hosts.split(",")):
        raise ValueError(UNREADABLE)
    user, _, password = who.partition(":")
    user = said.get("user") or unquote(user)
    where = said.get("host") or hosts or "localhost"
    database = said.get("dbname") or said.get("database") or unquote(parts.path[1:])
    return Dsn(
        text,
        said.get("password") or unquote(password) or None,
        "target_session_attrs" not in said,
        f"{user}@{where}/{database}".lstrip("@").rstrip("/"),
    )

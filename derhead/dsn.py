"""Where PostgreSQL is: a DSN read, checked and brought into one form. Pure."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from derproto.base.problems import nearest

EXAMPLE = "postgresql://derhead@db.example:5432/derhead"

PARAMETERS = (
    "host",
    "port",
    "user",
    "password",
    "dbname",
    "passfile",
    "sslmode",
    "sslcert",
    "sslkey",
    "sslrootcert",
    "sslcrl",
    "sslpassword",
    "sslnegotiation",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
    "service",
    "connect_timeout",
    # Of the session, and passed on to the server.
    "application_name",
    "options",
    "search_path",
)
"""What a DSN may say. Any other word would reach the server as a setting that it refuses."""

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# keyword = value, or = 'a value with spaces, \' and \\'
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s'\\]*)(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Dsn:
    """A DSN that can be used; its password is never part of ``str``."""

    parameters: tuple[tuple[str, str], ...] = field(repr=False)

    @property
    def password(self) -> str | None:
        return dict(self.parameters).get("password")

    def arguments(self) -> dict[str, object]:
        """What the driver is given, the password included; what is left out, its environment
        variables and password file tell."""
        said = {key: value for key, value in self.parameters if key != "connect_timeout"}
        given: dict[str, object] = {
            "target_session_attrs": said.pop("target_session_attrs", "read-write"),
            "user": said.pop("user", None),
            "password": said.pop("password", None),
            "database": said.pop("dbname", None),
            "passfile": said.pop("passfile", None),
        }
        if "host" in said:
            given["host"] = said.pop("host").split(",")
        if "port" in said:
            ports = [int(port) for port in said.pop("port").split(",")]
            given["port"] = ports if len(ports) > 1 else ports[0]
        given["dsn"] = f"postgresql://?{urlencode(said, quote_via=quote)}" if said else None
        return given

    def __str__(self) -> str:
        """For people: who, where, which database."""
        said = dict(self.parameters)
        hosts = said.get("host", "").split(",") if said.get("host") else [""]
        ports = said.get("port", "").split(",") if said.get("port") else [""]
        if len(ports) == 1:
            ports *= len(hosts)
        where = ",".join(
            f"{host or 'localhost'}:{port}" if port else host or "localhost"
            for host, port in zip(hosts, ports, strict=True)
        )
        user = f"{said['user']}@" if "user" in said else ""
        return f"{user}{where}/{said.get('dbname', '')}".rstrip("/")


def read_dsn(text: str) -> Dsn:
    """The DSN of a URI (``postgresql://…``) or of ``keyword=value`` pairs.

    Raises: ValueError, saying what is wrong and what to write.
    """
    text = text.strip()
    if not text:
        raise ValueError(f"it is empty; write {EXAMPLE}")
    pairs = _of_uri(text) if "://" in text.split("=", 1)[0] else _of_words(text)
    merged: dict[str, str] = {}
    for key, value in pairs:
        name = "dbname" if key == "database" else key
        if name not in PARAMETERS:
            raise ValueError(f"there is no parameter {key!r}; {nearest(name, PARAMETERS)}")
        if "\0" in value:
            raise ValueError(f"{key} holds a zero byte")
        if value:
            merged[name] = value
    _check(merged)
    return Dsn(tuple(merged.items()))


def _of_uri(text: str) -> list[tuple[str, str]]:
    try:
        parts = urlsplit(text)
    except ValueError as wrong:
        raise ValueError(f"it is no URI ({wrong}); write {EXAMPLE}") from None
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError(f"it begins with {parts.scheme}://; write {EXAMPLE}")
    if parts.fragment:
        raise ValueError("a # in it must be written %23")
    who, at, where = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    hosts, ports = [], []
    for place in where.split(",") if where else []:
        host, port = _host_and_port(place)
        hosts.append(host)
        ports.append(port)
    if any(ports):
        ports = [port or "5432" for port in ports]
    pairs = [
        ("user", unquote(user) if at else ""),
        ("password", unquote(password)),
        ("host", ",".join(hosts)),
        ("port", ",".join(ports) if any(ports) else ""),
        ("dbname", unquote(parts.path.removeprefix("/"))),
    ]
    try:
        return pairs + parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)
    except ValueError:
        if not parts.query:
            return pairs
        raise ValueError("what follows ? must be key=value, parted by &") from None


def _host_and_port(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, closed, rest = place[1:].partition("]")
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError(f"{place!r} is no address; write [::1]:5432")
        return host, rest.removeprefix(":")
    if place.count(":") > 1:
        raise ValueError(f"{place!r} is no host; write an IPv6 address as [::1]:5432")
    host, _, port = place.partition(":")
    return unquote(host), port


def _of_words(text: str) -> list[tuple[str, str]]:
    pairs, position = [], 0
    while position < len(text):
        found = _PAIR.match(text, position)
        if found is None:
            # The text may hold a password: it is not repeated.
            raise ValueError(f"it is neither a URI nor key=value pairs; write {EXAMPLE}")
        key, value = found.groups()
        if value.startswith("'"):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        pairs.append((key, value))
        position = found.end()
    return pairs


def _check(said: dict[str, str]) -> None:
    hosts = said.get("host", "").split(",")
    ports = said["port"].split(",") if "port" in said else []
    for port in ports:
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError(f"{port!r} is no port; write a number from 1 to 65535")
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError(f"{len(ports)} ports for {len(hosts)} hosts; give one, or one for each")
    if "sslmode" in said and said["sslmode"] not in SSL_MODES:
        raise ValueError(
            f"there is no sslmode {said['sslmode']!r}; write one of {', '.join(SSL_MODES)}"
        )

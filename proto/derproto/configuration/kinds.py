"""Kinds of values for keys, read alike from YAML, flags and environment: pure.

A kind converts the written text to the program's value, or raises a ValueError whose text says what
is wrong and what to write instead.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

import yaml

from derproto.configuration.problems import nearest

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
E = TypeVar("E", bound=StrEnum)

_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"([-+]?)\.(inf|nan)", re.IGNORECASE)
_WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}

AGENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("logfmt", "json", "console")


class Kind(Protocol[T_co]):
    """The values that a key may have, and how they are read."""

    def read(self, raw: object) -> T_co:
        """The value of a YAML scalar, a list of them, or a node.

        Raises: ValueError, saying what is wrong and what to write.
        """

    def parse(self, text: str) -> T_co:
        """The value of a flag's or an environment variable's text.

        Raises: ValueError, as for ``read``.
        """


def plain_value(text: str) -> str | int | float | bool | None:
    """The meaning of unquoted text: YAML 1.2's numbers, true, false, null; else the text itself.

    The parser's YAML 1.1 would read 1:30 as 90, 010 as 8, no as false and 1e5 as text.
    """
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    if found := _NOT_FINITE.fullmatch(text):
        return float(found[1] + found[2])
    return text


def describe(raw: object) -> str:
    """A written value in plain words."""
    match raw:
        case None:
            return "nothing"
        case bool():
            return str(raw).lower()
        case int() | float():
            return f"the number {raw:g}" if math.isfinite(raw) else f"{raw}"
        case str():
            return f"the text {raw[:60]!r}"
        case yaml.Node() if not raw.tag.startswith("tag:yaml.org,2002:"):
            return f"a value tagged {raw.tag}"
        case list() | yaml.SequenceNode():
            return "a list"
        case _:
            return "a mapping"


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number within bounds; ``unit`` is for messages."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    """Like ``least``, but exclusive."""
    unit: str = ""

    def read(self, raw: object) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise ValueError(f"{describe(raw)} is not a number; write {self._wanted()}")
        if not math.isfinite(raw):
            raise ValueError(f"{raw} is not a finite number; write {self._wanted()}")
        if not (self.least <= raw <= self.most and raw > self.above):
            raise ValueError(f"{raw:g} is out of range; write {self._wanted()}")
        return float(raw)

    def parse(self, text: str) -> float:
        return self.read(plain_value(text.strip()))

    def _wanted(self) -> str:
        bounds = []
        if self.least > -math.inf:
            bounds.append(f"of at least {self.least:g}")
        if self.above > -math.inf:
            bounds.append(f"above {self.above:g}")
        if self.most < math.inf:
            bounds.append(f"up to {self.most:.12g}")
        text = " ".join(["a number", " and ".join(bounds)]).strip()
        return f"{text}, in {self.unit}" if self.unit else text


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number from ``least`` to ``most``; ``unit`` is for messages."""

    least: int
    most: int
    unit: str = ""

    def read(self, raw: object) -> int:
        wanted = f"write a whole number from {self.least} to {self.most}"
        wanted += f", in {self.unit}" if self.unit else ""
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise ValueError(f"{describe(raw)} is not a whole number; {wanted}")
        if not self.least <= raw <= self.most:
            raise ValueError(f"{raw} is out of range; {wanted}")
        return raw

    def parse(self, text: str) -> int:
        return self.read(plain_value(text.strip()))


@dataclass(frozen=True, slots=True)
class Truth:
    """true or false; in flags and environment also 1 and 0."""

    def read(self, raw: object) -> bool:
        if not isinstance(raw, bool):
            raise ValueError(f"{describe(raw)} is neither true nor false; write one of them")
        return raw

    def parse(self, text: str) -> bool:
        return self.read({"1": True, "0": False}.get(text.strip(), plain_value(text.strip())))


@dataclass(frozen=True, slots=True)
class FromText(Generic[T]):
    """Text that ``convert`` converts to a value, or refuses with a ValueError."""

    convert: Callable[[str], T]
    wanted: str = "text"

    def read(self, raw: object) -> T:
        if not isinstance(raw, str):
            quotes = isinstance(raw, bool | int | float)
            advice = "put it in quotes if text is meant" if quotes else f"write {self.wanted}"
            raise ValueError(f"{describe(raw)} is not text; {advice}")
        return self.convert(raw)

    def parse(self, text: str) -> T:
        return self.convert(text)


@dataclass(frozen=True, slots=True)
class Texts:
    """One text or a list of them; in the environment, between commas."""

    def read(self, raw: object) -> tuple[str, ...]:
        items = raw if isinstance(raw, list) else [raw]
        if not items:
            raise ValueError("empty; write at least one")
        for item in items:
            if not isinstance(item, str):
                raise ValueError(f"{describe(item)} is not text; write a list of texts")
        return tuple(items)

    def parse(self, text: str) -> tuple[str, ...]:
        return self.read([part.strip() for part in text.split(",") if part.strip()])


_ORIGIN = re.compile(r"https?://[^/?#\s\[\]:]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")


ANY_ORIGIN = "*"


@dataclass(frozen=True, slots=True)
class Origins:
    """Origins of web pages, as ``Texts``; or ``*`` for any."""

    def read(self, raw: object) -> tuple[str, ...]:
        return self._checked(Texts().read(raw))

    def parse(self, text: str) -> tuple[str, ...]:
        return self._checked(Texts().parse(text))

    def _checked(self, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if origin != ANY_ORIGIN and not _ORIGIN.fullmatch(origin):
                advice = "write scheme, host and port alone, such as https://control.example"
                raise ValueError(f"{origin[:80]!r} is not an origin; {advice}, or *")
        return origins


_HOST = re.compile(r"(\*\.)?[\w-]+(\.[\w-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hosts:
    """Host names and IP addresses, as ``Texts``; ``*.example`` = each name with one label more."""

    def read(self, raw: object) -> tuple[str, ...]:
        return self._checked(Texts().read(raw))

    def parse(self, text: str) -> tuple[str, ...]:
        return self._checked(Texts().parse(text))

    def _checked(self, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host) and not _is_address(host):
                advice = "write a name or an IP address alone, without scheme and port"
                raise ValueError(f"{host[:80]!r} is not a host; {advice}, such as control.example")
        return hosts


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class Address(NamedTuple):
    """A host, which may be a name, and a TCP port."""

    host: str
    """Without the brackets of an IPv6 address."""
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it. A name other than localhost may mean any."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(*, least_port: int = 0) -> FromText[Address]:
    """The kind of a ``host:port`` or ``[IPv6]:port``; port 0 is any free one."""
    wanted = "host:port, such as 127.0.0.1:8080 or [::1]:8080"

    def convert(text: str) -> Address:
        if "//" in text:
            raise ValueError(f"{text!r} is a URL; write {wanted}, without the scheme")
        host, colon, port = text.rpartition(":")
        if not colon or not port:
            raise ValueError(f"{text!r} has no port; write {wanted}")
        if not host:
            raise ValueError(f"{text!r} has no host; for all addresses write 0.0.0.0:{port}")
        if not re.fullmatch("[0-9]{1,5}", port) or not least_port <= int(port) <= 65535:
            raise ValueError(f"{port!r} is not a port; write a number from {least_port} to 65535")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
            try:
                ipaddress.IPv6Address(host)
            except ValueError:
                raise ValueError(f"{host!r} is not an IPv6 address; write {wanted}") from None
        elif ":" in host:
            raise ValueError(f"{text!r} needs brackets around its IPv6 address: [{host}]:{port}")
        elif not re.fullmatch(r"[\w.-]+", host):
            raise ValueError(f"{host!r} is not a host; write {wanted}")
        return Address(host, int(port))

    return FromText(convert, wanted)


def choice(known: Iterable[str], what: str) -> FromText[str]:
    """The kind of one of the words ``known``; ``what`` names one for messages."""
    words = tuple(known)

    def convert(text: str) -> str:
        if text not in words:
            raise ValueError(f"there is no {what} {text[:60]!r}; {nearest(text, words)}")
        return text

    return FromText(convert, f"one of: {', '.join(words)}")


def member(enum: type[E], what: str) -> FromText[E]:
    """The kind of a member of a StrEnum, by its value."""
    words = choice(enum, what)
    return FromText(lambda text: enum(words.convert(text)), words.wanted)


def _agent_id(text: str) -> str:
    if not AGENT_ID.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not an agent id; write 1 to 64 of A-Z a-z 0-9 . _ -")
    return text


def _some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("empty; write a text, or leave the key out")
    return text


AGENT = FromText(_agent_id, "1 to 64 of A-Z a-z 0-9 . _ -")
TEXT = FromText(_some_text)
PATH = FromText(lambda text: Path(_some_text(text)), "a path")

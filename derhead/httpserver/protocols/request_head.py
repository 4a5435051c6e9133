"""The head of an HTTP/1.1 request: whether it is plain, and why it is refused. Pure.

Every expression here takes linear time: a loop never matches a character that may follow the loop.
"""

import re
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from typing import NamedTuple

HEADER_BYTES = 16 * 1024
"""Bytes of a request's header, from its first line to the empty line. When full, the answer is
431."""

TOO_LONG = f"path, query and header fields together are longer than {HEADER_BYTES} bytes"

_LABEL = rb"[0-9A-Za-z_-]{1,63}"
_HOST = re.compile(
    rb"(?:%b(?:[.]%b)*+[.]?|\[([0-9A-Fa-f:.]{2,45})\])?(?::[0-9]{0,5})?" % (_LABEL, _LABEL)
)
_URL = re.compile(rb"https?://([^/?]*+)(?:[/?].*)?", re.IGNORECASE)
_TARGET = re.compile(rb"[\x21-\x7e]+")
_LINE = re.compile(rb"(GET|HEAD) (/[0-9A-Za-z._~/-]*) HTTP/1[.]1\r\n")
"""A path without escapes and without a query."""
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e]*)")

_NOT_PLAIN = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"x-request-id")
)
"""Fields that change what the server does with a request."""

Fields = Iterable[tuple[bytes, bytes]]


class HeadRefusal(NamedTuple):
    """Why a request is refused."""

    status: int
    detail: str


def is_host(value: bytes) -> bool:
    """Whether the value of ``Host`` or ``:authority`` is valid. Empty is valid."""
    host = _HOST.fullmatch(value)
    if host is None or host[1] is None:
        return host is not None
    try:
        IPv6Address(host[1].decode("ascii"))
    except AddressValueError:
        return False
    return True


def refusal_of_target(target: bytes) -> HeadRefusal | None:
    """The refusal of a request target or ``:path``, if any; see RFC 9112, 3.2."""
    if _TARGET.fullmatch(target):
        if target.startswith(b"/") or target == b"*":
            return None
        url = _URL.fullmatch(target)
        if url is not None and url[1] and is_host(url[1]):
            return None
    return HeadRefusal(
        400, "the request target is neither a path nor a URL; send a path that begins with /"
    )


def refusal_of_size(size: int) -> HeadRefusal | None:
    """The refusal of a header with so many bytes, if any."""
    return HeadRefusal(431, TOO_LONG) if size > HEADER_BYTES else None


def refusal_of_fields(fields: Fields) -> HeadRefusal | None:
    """The refusal of a header with these fields, if any. Names are in small letters."""
    names = set()
    for name, value in fields:
        names.add(name)
        if name == b"host" and not is_host(value):
            return HeadRefusal(
                400, "the Host header is not a host name; send the one that you connect to"
            )
    if names >= {b"content-length", b"transfer-encoding"}:
        # A proxy and a server may disagree on which one counts: request smuggling (RFC 9112, 6.3).
        return HeadRefusal(400, "the header has Content-Length and Transfer-Encoding; send one")
    return None


def find_end(data: bytes, start: int) -> int | None:
    """The index behind the header that begins at ``start``; None if incomplete or too long."""
    at = data.find(b"\r\n\r\n", start, start + HEADER_BYTES)
    return None if at < 0 else at + 4


class PlainLine(NamedTuple):
    """The first line of a GET or HEAD whose path has neither escapes nor a query."""

    bodiless: bool
    """The request is a HEAD."""
    path: bytes
    end: int
    """Where the line ends and the header fields begin."""


def read_line(data: bytes, start: int) -> PlainLine | None:
    """The plain line that begins at ``start``, if one does."""
    line = _LINE.match(data, start)
    return None if line is None else PlainLine(line[1] == b"HEAD", line[2], line.end())


class HeadFields(NamedTuple):
    """The header fields of a plain request."""

    host: bytes
    others: list[tuple[bytes, bytes]]
    """All but ``host`` and ``connection``, names in small letters."""


def read_fields(fields: bytes) -> HeadFields | None:
    """The header fields of a plain request.

    ``fields`` is the header without its first line, up to and including the empty line. None for
    anything unusual, which Hypercorn then judges: a field that changes what the server does, a
    rare syntax, or a connection to close.
    """
    hosts, found = [], []
    for text in fields[:-4].split(b"\r\n"):
        field = _FIELD.fullmatch(text)
        if field is None:
            return None
        name, value = field[1].lower(), field[2].strip(b" \t")
        if name == b"host":
            if not value or not is_host(value):
                return None
            hosts.append(value)
        elif name == b"connection":
            if value.lower() != b"keep-alive":
                return None
        elif name in _NOT_PLAIN:
            return None
        else:
            found.append((name, value))
    return HeadFields(hosts[0], found) if len(hosts) == 1 else None

"""The head of an HTTP/1.1 request: whether it is plain, and why it is refused. Pure.

Every expression here reads its input once: no part of it can match what the part after it needs.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

HEADER_BYTES = 16 * 1024
"""Bytes of a request's header, from its first line to the empty line. When full, the answer is
431."""

TOO_LONG = f"path, query and header fields together are longer than {HEADER_BYTES} bytes"

_LABEL = rb"[0-9A-Za-z_-]{1,63}"
_HOST = re.compile(rb"(?:%b(?:[.]%b)*+[.]?|\[[0-9A-Fa-f:.]+\])?(?::[0-9]{0,5})?" % (_LABEL, _LABEL))
_LINE = re.compile(rb"(GET|HEAD) (/[0-9A-Za-z._~/-]*) HTTP/1[.]1\r\n")
"""A path of characters that stand for themselves."""
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e]*)")

_NOT_PLAIN = frozenset(
    (b"content-length", b"transfer-encoding", b"expect", b"upgrade", b"x-request-id")
)
"""Fields that change what the server does."""

Fields = Iterable[tuple[bytes, bytes]]


class HeadRefusal(NamedTuple):
    """Why a request is not served."""

    status: int
    detail: str


def is_host(value: bytes) -> bool:
    """Whether a ``Host`` or ``:authority`` names a host; an empty one is a host without a name."""
    return _HOST.fullmatch(value) is not None


def refusal_of_size(size: int) -> HeadRefusal | None:
    """Why a request is refused whose header has that many bytes."""
    return HeadRefusal(431, TOO_LONG) if size > HEADER_BYTES else None


def refusal_of_fields(fields: Fields) -> HeadRefusal | None:
    """Why a request with these fields is refused; their names are in small letters."""
    names = set()
    for name, value in fields:
        names.add(name)
        if name == b"host" and not is_host(value):
            return HeadRefusal(
                400, "the Host header is no host's name; send the one you connect to"
            )
    if names >= {b"content-length", b"transfer-encoding"}:
        # Parties that disagree on which of them counts see different requests (RFC 9112, 6.3).
        return HeadRefusal(400, "Content-Length stands beside Transfer-Encoding; send one of them")
    return None


def find_end(data: bytes, start: int) -> int | None:
    """Where the header that begins there ends; None if it is not all there, or too long."""
    at = data.find(b"\r\n\r\n", start, start + HEADER_BYTES)
    return None if at < 0 else at + 4


class PlainRequest(NamedTuple):
    """A request without a body that keeps its connection open."""

    bodiless: bool
    """HEAD."""
    path: bytes
    fields: list[tuple[bytes, bytes]]
    """Names in small letters, without ``host`` and ``connection``."""


def read_plain(head: bytes) -> PlainRequest | None:
    """The plain request with this header, which ends with its empty line.

    Anything unusual is None, and another parser's to judge: a query, a field that changes what
    the server does, a syntax that only some accept.
    """
    line = _LINE.match(head)
    if line is None:
        return None
    hosts, fields = 0, []
    for text in head[line.end() : -4].split(b"\r\n"):
        field = _FIELD.fullmatch(text)
        if field is None:
            return None
        name, value = field[1].lower(), field[2].strip(b" \t")
        if name == b"host":
            if not value or not is_host(value):
                return None
            hosts += 1
        elif name == b"connection":
            if value.lower() != b"keep-alive":
                return None
        elif name in _NOT_PLAIN:
            return None
        else:
            fields.append((name, value))
    return PlainRequest(line[1] == b"HEAD", line[2], fields) if hosts == 1 else None

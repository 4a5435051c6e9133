"""A name for every request, in its answer and in its log lines."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from itertools import count
from uuid import uuid4

from structlog.contextvars import bind_contextvars

HEADER = b"x-request-id"

_GIVEN = re.compile(rb"[0-9A-Za-z._-]{1,64}")

_current: ContextVar[bytes | None] = ContextVar("request_id", default=None)


class RequestIds:
    """Names requests: by the caller's name, or by a number of this server."""

    def __init__(self) -> None:
        self._prefix = uuid4().hex[:8]
        self._numbers = count(1)

    def new(self) -> bytes:
        """A new name, unique and of constant length."""
        return b"%s-%08x" % (self._prefix.encode("ascii"), next(self._numbers))

    def enter(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Names the request with these headers, which the current task serves from now on."""
        given = next((value for name, value in headers if name == HEADER), b"")
        name = given if _GIVEN.fullmatch(given) else self.new()
        _current.set(name)
        bind_contextvars(request=name.decode("ascii"))

    @staticmethod
    def current() -> str | None:
        """The name of the request that the current task serves."""
        name = _current.get()
        return None if name is None else name.decode("ascii")

    def header(self) -> tuple[bytes, bytes]:
        """The answer's header; a new name if the request was too broken to have one."""
        return HEADER, _current.get() or self.new()

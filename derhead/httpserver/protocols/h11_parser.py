"""h11's parser of requests, with a bound on a header and in linear time.

h11 bounds a header only while the header is incomplete. Two of h11's expressions take quadratic
time for a run of blanks: 16 KiB of blanks after a colon cost 3 s. This module replaces both, for
the whole process, with expressions that match the same lines.
"""

import re
from typing import Any

import h11
import h11._readers as readers

from derhead.httpserver.protocols.request_head import (
    refusal_of_fields,
    refusal_of_size,
    refusal_of_target,
)

HEADER_FIELD = re.compile(
    rb"(?P<field_name>[-!#$%&'*+.^_`|~0-9a-zA-Z]+):[ \t]*+"
    rb"(?P<field_value>(?:[^\x00\s]++(?:[ \t]++[^\x00\s]++)*+)?+)[ \t]*"
)
CHUNK_HEADER = re.compile(rb"(?P<chunk_size>[0-9A-Fa-f]{1,20})(?P<chunk_ext>;[^\r\n]*+)?[ \t]*\r\n")

readers.header_field_re = HEADER_FIELD
readers.chunk_header_re = CHUNK_HEADER


class HeadRefused(h11.RemoteProtocolError):
    """The request's header is refused; see ``request_head``."""


class Http1Parser(h11.Connection):
    """Parses requests, and refuses some headers that h11 accepts; see ``request_head``."""

    def _extract_next_receive_event(self) -> Any:
        if self.their_state is h11.IDLE:
            _hold(refusal_of_size(_head_size(self._receive_buffer._data)))
        event = super()._extract_next_receive_event()
        if isinstance(event, h11.Request):
            _hold(refusal_of_target(event.target) or refusal_of_fields(event.headers))
        return event


def _head_size(data: bytearray) -> int:
    """Bytes of the header at the beginning of the data; 0 if it is incomplete."""
    ends = [at + len(end) for end in (b"\n\r\n", b"\n\n") if (at := data.find(end)) >= 0]
    return min(ends, default=0)


def _hold(refusal: Any) -> None:
    if refusal is not None:
        raise HeadRefused(refusal.detail, error_status_hint=refusal.status)

"""The parts of Hypercorn, h11 and h2 that the server overrides or reads, though they are private.

A failure here says that a new version has changed one of them: read its changes, adapt
``derhead.httpserver.protocols``, then these expectations.
"""

import inspect

import h11
import h11._readers
import pytest
from h2.connection import H2Connection
from hypercorn.protocol.h2 import H2Protocol, StreamBuffer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.worker_context import EventWrapper

from derhead.httpserver.protocols.h11_parser import CHUNK_HEADER, HEADER_FIELD, Http1Parser
from derhead.httpserver.protocols.hypercorn_http1 import Http1Answers
from derhead.httpserver.protocols.hypercorn_http2 import BoundedH2, Http2Answers

OWN = {"_take", "_end", "_sort_out", "_refuse"}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Http1Parser, h11.Connection),
        (Http1Answers, H11Protocol),
        (BoundedH2, H2Connection),
        (Http2Answers, H2Protocol),
    ],
)
def test_overridden_methods_exist(ours: type, theirs: type) -> None:
    for name, value in vars(ours).items():
        if inspect.isfunction(value) and name not in OWN:
            assert hasattr(theirs, name), name


def test_h11_uses_the_expressions_that_replace_its_own() -> None:
    assert h11._readers.header_field_re is HEADER_FIELD
    assert h11._readers.chunk_header_re is CHUNK_HEADER
    for function, name in (
        (h11._readers._decode_header_lines, "header_field_re"),
        (h11._readers.ChunkedReader.__call__, "chunk_header_re"),
    ):
        assert name in function.__code__.co_names


def test_h11_keeps_what_came_in_a_bytearray() -> None:
    assert isinstance(h11.Connection(h11.SERVER)._receive_buffer._data, bytearray)


def test_hypercorn_has_the_attributes() -> None:
    buffer = StreamBuffer(EventWrapper)
    assert isinstance(buffer.buffer, bytearray)
    assert isinstance(buffer._paused, EventWrapper)


def test_h2_keeps_no_setting_that_it_does_not_know() -> None:
    connection = BoundedH2()
    connection.initiate_connection()
    settings = b"".join(n.to_bytes(2, "big") + bytes(4) for n in range(100, 2_100))
    frame = len(settings).to_bytes(3, "big") + b"\4" + bytes(5) + settings
    connection.receive_data(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame)
    assert len(connection.remote_settings) < 16

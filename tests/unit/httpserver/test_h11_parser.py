"""The expressions that replace two of h11's take the same lines, and give the same parts."""

import re

from h11 import _abnf as abnf
from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.httpserver.protocols.h11_parser import CHUNK_HEADER, HEADER_FIELD

THEIR_FIELD = re.compile(abnf.header_field.encode("ascii"))
THEIR_CHUNK = re.compile(abnf.chunk_header.encode("ascii"))


def bytes_of(alphabet: bytes) -> st.SearchStrategy[bytes]:
    return st.lists(st.sampled_from(alphabet), max_size=14).map(bytes)


def parts(expression: re.Pattern[bytes], line: bytes, *names: str) -> list[bytes] | None:
    match = expression.fullmatch(line)
    return None if match is None else [match[name] for name in names]


@settings(max_examples=500)
@given(bytes_of(b"ab-:: \t\0\r\n\x80"), st.sampled_from([b"", b"a:", b"a: ", b"a:\t b"]))
def test_a_header_field_is_read_as_before(rest: bytes, begun: bytes) -> None:
    line, names = begun + rest, ("field_name", "field_value")
    assert parts(HEADER_FIELD, line, *names) == parts(THEIR_FIELD, line, *names)


@settings(max_examples=500)
@given(bytes_of(b"1fg;; \t\0\n\x80"), st.sampled_from([b"", b"\r\n"]))
def test_the_head_of_a_chunk_is_read_as_before(begun: bytes, end: bytes) -> None:
    line = begun + end
    assert parts(CHUNK_HEADER, line, "chunk_size") == parts(THEIR_CHUNK, line, "chunk_size")


def test_an_extension_with_a_bare_carriage_return_is_no_longer_taken() -> None:
    assert THEIR_CHUNK.fullmatch(b"1;a\rb\r\n")
    assert not CHUNK_HEADER.fullmatch(b"1;a\rb\r\n")

"""Random messages from betterproto2's metadata, and random bytes that look like messages."""

import math
from typing import Any

import betterproto2
from betterproto2 import Message
from hypothesis import strategies as st

from derproto.codec.fields import Field, fields_of
from derproto.codec.wire import FIXED32, FIXED64, GROUP, LENGTH, VARINT, write_varint

MAX_INNER = 2
"""Messages within messages, for a class that contains itself."""


def _integers(bits: int, signed: bool) -> st.SearchStrategy[int]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    near = st.integers(max(low, -300), 300)
    return near | st.integers(low, high) | st.sampled_from([low, high])


SCALARS: dict[str, st.SearchStrategy[Any]] = {
    betterproto2.TYPE_DOUBLE: st.floats() | st.sampled_from([0.0, -0.0, math.nan]),
    betterproto2.TYPE_BOOL: st.booleans(),
    betterproto2.TYPE_STRING: st.text(max_size=8) | st.text(min_size=120, max_size=140),
    betterproto2.TYPE_BYTES: st.binary(max_size=8),
    betterproto2.TYPE_INT32: _integers(32, True),
    betterproto2.TYPE_SINT32: _integers(32, True),
    betterproto2.TYPE_SFIXED32: _integers(32, True),
    betterproto2.TYPE_INT64: _integers(64, True),
    betterproto2.TYPE_SINT64: _integers(64, True),
    betterproto2.TYPE_SFIXED64: _integers(64, True),
    betterproto2.TYPE_UINT32: _integers(32, False),
    betterproto2.TYPE_FIXED32: _integers(32, False),
    betterproto2.TYPE_UINT64: _integers(64, False),
    betterproto2.TYPE_FIXED64: _integers(64, False),
}


def _values(field: Field, inner: int) -> st.SearchStrategy[Any]:
    if field.type == betterproto2.TYPE_MESSAGE:
        return messages(field.cls, inner - 1)
    if field.type == betterproto2.TYPE_ENUM:
        # Also numbers that have no name, as a newer peer may send.
        return (st.sampled_from(list(field.cls)) | _integers(32, True)).map(field.cls)
    return SCALARS[field.type]


@st.composite
def messages(draw: st.DrawFn, cls: type[Message], inner: int = MAX_INNER) -> Any:
    """A valid message: of each oneof, at most one field; any field may be at its default."""
    values: dict[str, Any] = {}
    for field in fields_of(cls):
        if field.type == betterproto2.TYPE_MESSAGE and inner < 0:
            continue
        if any(values.get(rival) is not None for rival in field.rivals) or draw(st.booleans()):
            continue
        value = _values(field, inner)
        values[field.name] = draw(st.lists(value, max_size=4) if field.repeated else value)
    return cls(**values)


@st.composite
def varints(draw: st.DrawFn) -> bytes:
    """Mostly short ones; also overlong, cut, and of more bits than 64."""
    value = draw(st.integers(0, 300) | st.integers(0, 2**64 - 1))
    written = write_varint(value)
    match draw(st.integers(0, 9)):
        case 0:
            padding = draw(st.integers(1, 10))
            return written[:-1] + bytes([written[-1] | 128]) + b"\x80" * (padding - 1) + b"\0"
        case 1:
            return b"\xff" * 9 + bytes([draw(st.integers(0, 255))])
        case _:
            return written


@st.composite
def wire_bytes(draw: st.DrawFn, cls: type[Message], inner: int = MAX_INNER) -> bytes:
    """Tags and values: of known fields and others, in the right form and in others."""
    # Of a few fields, so that some come twice.
    fields = draw(st.lists(st.sampled_from(fields_of(cls)), min_size=1, max_size=3))
    out = b""
    for _ in range(draw(st.integers(0, 5))):
        field = draw(st.sampled_from(fields))
        number, form = field.number, field.kind.wire_type
        odd = draw(st.integers(0, 15))
        if odd in (0, 1):
            number = draw(st.sampled_from([19, 19, 70_000, 2**29 - 1, 0]))
        if odd in (1, 2):
            form = draw(st.sampled_from([VARINT, FIXED64, LENGTH, GROUP, GROUP, FIXED32, 7]))
        if field.repeated and field.packable and draw(st.booleans()):
            form = LENGTH
        tag = write_varint(number << 3 | form)
        if odd == 3:
            tag = tag[:-1] + bytes([tag[-1] | 128]) + b"\x80" * draw(st.integers(0, 4)) + b"\0"
        out += tag + draw(_wire_value(form, number, field, cls, inner))
    return out


@st.composite
def _wire_value(
    draw: st.DrawFn, form: int, number: int, field: Field, cls: type[Message], inner: int
) -> bytes:
    if form == VARINT:
        return draw(varints())
    if form in (FIXED64, FIXED32):
        size = 8 if form == FIXED64 else 4
        return draw(st.binary(min_size=size, max_size=size))
    if form == GROUP:
        content = draw(wire_bytes(cls, inner - 1)) if inner > 0 else b""
        ended = number if draw(st.integers(0, 15)) else number + 1
        return content + write_varint(ended << 3 | 4)
    if form != LENGTH:
        return b""
    parts: st.SearchStrategy[bytes] = st.binary(max_size=4)
    if field.type == betterproto2.TYPE_MESSAGE and inner > 0:
        parts = wire_bytes(field.cls, inner - 1)
    elif field.type == betterproto2.TYPE_STRING:
        parts = st.text(max_size=4).map(str.encode) | st.binary(max_size=3)
    elif field.kind.wire_type == VARINT:
        parts = st.lists(varints(), max_size=3).map(b"".join)
    elif field.packable:
        width = field.kind.bytes
        parts = st.lists(st.binary(min_size=width, max_size=width), max_size=3).map(b"".join)
    packed = draw(parts)
    if draw(st.integers(0, 15)) == 0:
        packed = packed[:-1]
    return write_varint(len(packed)) + packed


@st.composite
def mutated(draw: st.DrawFn, base: st.SearchStrategy[bytes]) -> bytes:
    """``base`` cut, with bytes changed, put in, taken out or repeated."""
    data = draw(base)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(1, 6)))
        few = draw(st.binary(min_size=1, max_size=4))
        changed = {
            "cut": data[:at],
            "changed": data[:at] + few[:1] + data[at + 1 :],
            "put in": data[:at] + few + data[at:],
            "taken out": data[:at] + data[to:],
            "repeated": data[:to] + data[at:],
        }
        data = changed[draw(st.sampled_from(sorted(changed)))]
    return data

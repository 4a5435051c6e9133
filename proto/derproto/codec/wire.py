"""Helpers of compiled functions: long varints, unknown fields, columns, errors: pure.

Reading functions take the position of the first byte and return the next one. At the end of the
data they raise IndexError, which the compiled function turns into a DecodeError. They may read past
the end of an embedded message; the caller then sees a position after that end.
"""

import sys
from array import array
from collections.abc import Iterable, Mapping
from typing import Any

from betterproto2 import Message

from derproto.codec.codec_errors import DecodeError

Buffer = bytes | memoryview

MAX_DEPTH = 100
"""Depth of nested messages and groups; the default of google.protobuf."""

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)
"""Wire types: the low three bits of a tag."""

UNBOUNDED = 2**63
"""No bound of fields: as many as the bytes hold."""

EMBEDDED_MESSAGE = 4
"""Fields that an embedded message counts as, beside its own: making its object takes as long as
reading these."""

UNKNOWN_FIELD = 2
"""Fields that an unknown field counts as: copying it takes as long as reading these."""

PACKED_BYTES = 8
"""Bytes of packed numbers of fixed width that count as one field. Each byte of packed varints
counts as one."""

MAX_VARINT_BYTES = 10
MAX_TAG_BYTES = 5
UINT32_MAX = 2**32 - 1
UINT64_MAX = 2**64 - 1

SWAP = sys.byteorder == "big"
"""Whether this machine must swap the bytes of columns, which are little-endian on the wire."""

for _typecode, _size in (("I", 4), ("i", 4), ("q", 8), ("Q", 8), ("d", 8)):
    assert array(_typecode).itemsize == _size, f"array({_typecode!r}) is not {_size} bytes here"


class Malformed(Exception):
    """The bytes are malformed; the compiled function adds the field's name."""


class TooManyFields(Malformed):
    """The message has more fields than its reader takes."""

    def __init__(self) -> None:
        super().__init__("more fields than one message may have")


class DecodingState:
    """The state that is shared by the functions that decode one message."""

    __slots__ = ("late", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        """Fields that may still come."""
        self.late: list[Message] = []
        """Messages whose unknown fields came in several parts. The parts grow in place and become
        bytes at the end, so that no peer can have them copied again and again."""


def read_varint(data: Buffer, pos: int) -> tuple[int, int]:
    """A varint of 64 bits. Bits beyond the 64th are dropped, as google.protobuf does."""
    value = shift = 0
    for at in range(pos, pos + MAX_VARINT_BYTES):
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            return value & UINT64_MAX, at + 1
        shift += 7
    raise Malformed(f"varint longer than {MAX_VARINT_BYTES} bytes")


def read_short_varint(data: Buffer, pos: int) -> tuple[int, int]:
    """A tag or a length: at most 5 bytes and 32 bits."""
    first = data[pos]
    if first < 128:
        return first, pos + 1
    second = data[pos + 1]
    if second < 128:  # 128 to 16,383: most lengths that come here
        return first & 127 | second << 7, pos + 2
    value = shift = 0
    for at in range(pos, pos + MAX_TAG_BYTES):
        byte = data[at]
        value |= (byte & 127) << shift
        if byte < 128:
            if value > UINT32_MAX:
                break
            return value, at + 1
        shift += 7
    raise Malformed("tag or length of more than 32 bits")


def read_varints(data: Buffer, pos: int, stop: int) -> list[int]:
    """Packed varints, of 64 bits each, that fill ``data[pos:stop]`` exactly."""
    values = []
    while pos < stop:
        value, pos = read_varint(data, pos)
        values.append(value)
    if pos > stop:
        raise Malformed("a packed varint is cut")
    return values


def skip_value(data: Buffer, tag: int, pos: int, depth: int, left: int) -> tuple[int, int]:
    """The position behind an unknown field's value at ``pos``, and the fields left then."""
    if tag < 8:
        raise Malformed("field number 0")
    return _skip(data, tag, pos, depth, left)


def _skip(data: Buffer, tag: int, pos: int, depth: int, left: int) -> tuple[int, int]:
    match tag & 7:
        case 0:  # VARINT
            return read_varint(data, pos)[1], left
        case 1:  # FIXED64
            return pos + 8, left
        case 2:  # LENGTH
            size, pos = read_short_varint(data, pos)
            return pos + size, left
        case 3:  # GROUP
            return _skip_group(data, tag >> 3, pos, depth - 1, left)
        case 5:  # FIXED32
            return pos + 4, left
        case wire_type:
            raise Malformed(f"wire type {wire_type} out of place")


def _skip_group(data: Buffer, number: int, pos: int, depth: int, left: int) -> tuple[int, int]:
    if depth < 0:
        raise Malformed("nested too deep")
    while True:
        left -= UNKNOWN_FIELD
        if left < 0:
            raise TooManyFields
        tag, pos = read_short_varint(data, pos)
        if tag & 7 == END_GROUP:
            if tag >> 3 != number:
                raise Malformed(f"group {number} ended by {tag >> 3}")
            return pos, left
        pos, left = _skip(data, tag, pos, depth, left)


def write_varint(value: int) -> bytes:
    """The varint of a number from 0 to 2**64 - 1."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_unsigned(value: int, bits: int) -> bytes:
    """Raises: OverflowError if it is negative or has more bits."""
    if value < 0 or value >> bits:
        raise OverflowError(f"{value} is not an unsigned number of {bits} bits")
    return write_varint(value)


def write_signed(value: int, bits: int) -> bytes:
    """The varint of a signed number; a negative one takes 10 bytes, even one of 32 bits.

    Raises: OverflowError if it has more bits.
    """
    limit = 1 << bits - 1
    if not -limit <= value < limit:
        raise OverflowError(f"{value} is not a signed number of {bits} bits")
    return write_varint(value & UINT64_MAX)


def write_zigzag(value: int, bits: int) -> bytes:
    """Raises: OverflowError if it has more bits."""
    limit = 1 << bits - 1
    if not -limit <= value < limit:
        raise OverflowError(f"{value} is not a signed number of {bits} bits")
    return write_varint(value << 1 if value >= 0 else ~(value << 1))


def write_column(typecode: str, values: Iterable[Any]) -> bytes:
    """Numbers of fixed width, little-endian.

    Raises: OverflowError, TypeError for a value that is not such a number.
    """
    column = array(typecode, values)
    if SWAP:
        column.byteswap()
    return column.tobytes()


class EnumTable(dict[int, Any]):
    """Members of an enum by number; an unknown number becomes a member without a name."""

    def __init__(self, enum: Any) -> None:
        super().__init__({int(member): member for member in enum})
        self._enum = enum

    def __missing__(self, number: int) -> Any:
        # Not stored, as a peer could fill the table.
        return self._enum(number)


def decode_fault(
    message: str, fields: Mapping[int, str], tag: int, error: Exception | None = None
) -> DecodeError:
    """The DecodeError for an error in the field of ``tag``."""
    number = tag >> 3
    where = f"{message}.{fields[number]}" if number in fields else message
    if isinstance(error, UnicodeDecodeError):
        return DecodeError(f"{where}: not UTF-8: {error.reason} at byte {error.start}")
    if isinstance(error, Malformed):
        return DecodeError(f"{where}: {error}")
    return DecodeError(f"{where}: cut short")  # the bytes ended

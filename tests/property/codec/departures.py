"""Where the codec departs from betterproto2, found in the bytes themselves.

From google.protobuf it does not depart.
"""

from betterproto2 import TYPE_BOOL, TYPE_ENUM, TYPE_MESSAGE, Message

from derproto.codec.fields import Field, fields_of
from derproto.codec.wire import (
    GROUP,
    LENGTH,
    MAX_DEPTH,
    UNBOUNDED,
    VARINT,
    read_short_varint,
    skip_value,
)

ONEOF, MERGE, FORM = "oneof", "merge", "wire type"
IN_GROUP, WIDE_ENUM, WIDE_BOOL = "group", "wide enum", "wide bool"


def departures(cls: type[Message], data: bytes) -> set[str]:
    """Those that well-formed bytes meet."""
    found: set[str] = set()
    fields = {field.number: field for field in fields_of(cls)}
    seen: set[str] = set()
    pos = 0
    while pos < len(data):
        tag, start = read_short_varint(data, pos)
        pos, _ = skip_value(data, tag, start, MAX_DEPTH, UNBOUNDED)
        field = fields.get(tag >> 3)
        if tag & 7 == GROUP:
            found.add(IN_GROUP)
        elif field is not None:
            found |= _of_field(field, tag & 7, data[start:pos], seen)
            seen.add(field.name)
    return found


def _of_field(field: Field, form: int, value: bytes, seen: set[str]) -> set[str]:
    if seen & set(field.rivals):
        return {ONEOF}
    packed = form == LENGTH and field.repeated and field.packable
    if form != field.kind.wire_type and not packed:
        return {FORM}
    if form == LENGTH:
        _, start = read_short_varint(value, 0)
        value = value[start:]
    if field.type == TYPE_MESSAGE:
        merged = {MERGE} if field.name in seen and not field.repeated else set()
        return merged | departures(field.cls, value)
    found = set()
    if field.kind.wire_type == VARINT:
        for number in _varints(value):
            if field.type == TYPE_ENUM and not -(2**31) <= _signed(number) < 2**31:
                found.add(WIDE_ENUM)
            if field.type == TYPE_BOOL and number >= 2**64:
                found.add(WIDE_BOOL)
    return found


def _varints(data: bytes) -> list[int]:
    """All bits of each, also those beyond the 64th."""
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number = shift = 0
    return numbers


def _signed(number: int) -> int:
    number &= 2**64 - 1
    return number - 2**64 if number >= 2**63 else number

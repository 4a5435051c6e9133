"""Bytes to betterproto2's dataclasses, by one compiled function a class.

The function walks the tags of one message and fills the dictionary of the new object.
`docs/codec.md` shows such a function, and compares it with betterproto2 and google.protobuf.
"""

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import betterproto2
from betterproto2 import Message

from derproto.codec import wire
from derproto.codec.fields import Field, metadata, reachable
from derproto.codec.generated import SourceLines, define
from derproto.codec.wire import FIXED32, FIXED64, VARINT, Buffer, DecodingState

M = TypeVar("M", bound=Message)

Reader = Callable[[Buffer, int, int, int, DecodingState, Message | None], Any]
"""Reads ``data[pos:end]``: (data, pos, end, depth left, state, message to merge into)."""


def decoder(cls: type[M], *, max_fields: int = wire.UNBOUNDED) -> Callable[[Buffer], M]:
    """A function that decodes messages of ``cls``; compiled once.

    The function raises DecodeError, and keeps no reference to its buffer. ``max_fields`` bounds the
    fields of one message, those of embedded messages included; each field is counted before any
    object is made of it. An embedded message counts as four more fields, an unknown field as two,
    and 8 bytes of packed numbers as one.

    Raises: UnsupportedField if ``cls``, or a class within it, has a field that cannot be compiled.
    """
    return _decoder(cls, max_fields)


@cache
def _decoder(cls: Any, max_fields: int) -> Callable[[Buffer], Any]:
    read = compile_reader(cls)

    def decode(data: Buffer) -> Any:
        if not isinstance(data, bytes):
            data = memoryview(data).cast("B")
        state = DecodingState(max_fields)
        message = read(data, 0, len(data), wire.MAX_DEPTH, state, None)
        for merged in state.late:
            merged._unknown_fields = bytes(merged._unknown_fields)
        return message

    return decode


@cache
def compile_reader(cls: type[Message]) -> Reader:
    """The compiled function of ``cls``; those of the classes within it are its globals."""
    source, namespace = SourceLines(), decoding_helpers()
    namespace |= {"keep_unknown": keep_unknown, "new": object.__new__}
    for each, fields in reachable(cls).items():
        namespace[each.__name__] = each
        namespace[f"DEFAULTS_{each.__name__}"] = _defaults(each, fields)
        namespace |= names_of_fields(each, fields)
        _add_decoder(source, each.__name__, fields)
    define(f"decoder of {cls.__name__}", source, namespace)
    compiled: Reader = namespace[f"decode_{cls.__name__}"]
    return compiled


def decoding_helpers() -> dict[str, Any]:
    """The globals of all decoders, by name."""
    return {
        "FAULTS": (IndexError, struct.error, UnicodeDecodeError, wire.Malformed),
        "Malformed": wire.Malformed,
        "TooManyFields": wire.TooManyFields,
        "read_varint": wire.read_varint,
        "read_varints": wire.read_varints,
        "read_short_varint": wire.read_short_varint,
        "skip_value": wire.skip_value,
        "decode_fault": wire.decode_fault,
        "unpack": struct.unpack_from,
    }


def names_of_fields(cls: type[Message], fields: tuple[Field, ...]) -> dict[str, Any]:
    """The further globals of the decoder of one class."""
    namespace: dict[str, Any] = {
        f"FIELDS_{cls.__name__}": {field.number: field.name for field in fields}
    }
    for field in fields:
        if field.type == betterproto2.TYPE_ENUM:
            namespace[f"ENUM_{field.cls.__name__}"] = wire.EnumTable(field.cls)
        elif code := field.kind.typecode:
            namespace[f"unpack_{code}"] = struct.Struct("<" + code).unpack_from
    return namespace


def _defaults(cls: type[Message], fields: tuple[Field, ...]) -> dict[str, Any]:
    """The dictionary of an object before decoding, without its lists."""
    generators = metadata(cls).default_gen
    made = {field.name: generators[field.name]() for field in fields if not field.repeated}
    return made | {"_unknown_fields": b""}


def keep_unknown(
    fields: dict[str, Any], unknown: bytearray, message: Message, state: DecodingState
) -> None:
    """Appends the unknown fields of one occurrence of a message to those of earlier ones."""
    if not fields["_unknown_fields"]:
        fields["_unknown_fields"] = bytes(unknown)
    elif isinstance(fields["_unknown_fields"], bytes):
        fields["_unknown_fields"] += unknown
        fields["_unknown_fields"] = bytearray(fields["_unknown_fields"])
        state.late.append(message)
    else:
        fields["_unknown_fields"] += unknown


def _add_decoder(source: SourceLines, name: str, fields: tuple[Field, ...]) -> None:
    source.add(0, f"def decode_{name}(data, pos, end, depth, state, into):")
    source.add(1, "if depth < 0:", '    raise Malformed("nested too deep")')
    source.add(1, "if into is None:", f"    fields = DEFAULTS_{name}.copy()")
    source.add(2, *(f"fields[{field.name!r}] = []" for field in fields if field.repeated))
    source.add(1, "else:", "    fields = into.__dict__")
    source.add(1, "left = state.left")
    add_loop(source, name, fields, _add_usual, _add_value)
    source.add(1, "state.left = left")
    source.add(1, "message = into")
    source.add(1, "if message is None:")
    source.add(2, f"message = new({name})", "message.__dict__ = fields")
    source.add(1, "if unknown is not None:", "    keep_unknown(fields, unknown, message, state)")
    source.add(1, "return message")
    source.add(0, "")


AddField = Callable[[SourceLines, int, Field], None]


def add_loop(
    source: SourceLines,
    name: str,
    fields: tuple[Field, ...],
    add_usual: AddField,
    add_value: AddField,
    *,
    in_order: bool = False,
) -> None:
    """Adds the loop over the tags of ``data[pos:end]``. ``unknown`` gathers unknown fields, or is
    None; ``left`` counts down the fields that may still come.

    ``add_usual`` adds the code for a field in its usual form. ``add_value`` adds the code for one
    value of a repeated field that writers usually pack. With ``in_order`` the code first expects
    each field once, in the order of numbers, which must be at most 15.
    """
    source.add(1, "unknown = None", "tag = 0", "try:")
    if in_order:
        # Writers write fields in the order of their numbers, so one comparison finds each.
        for field in fields:
            tag = _usual_tag(field)
            source.add(2, f"if pos < end and data[pos] == {tag}:  # {field.name}")
            source.add(3, f"tag = {tag}", "pos += 1")
            add_usual(source, 3, field)
    source.add(2, "while pos < end:")
    add_count(source, 3, "1")
    source.add(3, "start = pos", "tag = data[pos]", "pos += 1")
    source.add(3, "if tag > 127:", "    tag, pos = read_short_varint(data, start)")
    branch = "if"
    for field in fields:
        source.add(3, f"{branch} tag == {_usual_tag(field)}:  # {field.name}")
        add_usual(source, 4, field)
        branch = "elif"
    for field in fields:
        if field.repeated and field.packable:
            source.add(3, f"elif tag == {field.tag}:  # {field.name}, not packed")
            add_value(source, 4, field)
    if fields:
        source.add(3, "else:")
    indent = 4 if fields else 3
    add_count(source, indent, str(wire.UNKNOWN_FIELD - 1))
    source.add(indent, "pos, left = skip_value(data, tag, pos, depth, left)")
    source.add(indent, "if unknown is None:", "    unknown = bytearray()")
    source.add(indent, "unknown += data[start:pos]")
    source.add(1, "except FAULTS as error:")
    source.add(2, f"raise decode_fault({name!r}, FIELDS_{name}, tag, error) from error")
    source.add(1, "if pos > end:")
    source.add(2, f"raise decode_fault({name!r}, FIELDS_{name}, tag)")


def add_count(source: SourceLines, indent: int, fields: str) -> None:
    """Counts fields before any object is made of them."""
    source.add(indent, f"left -= {fields}", "if left < 0:", "    raise TooManyFields")


def _usual_tag(field: Field) -> int:
    return field.packed_tag if field.repeated and field.packable else field.tag


def add_size(source: SourceLines, indent: int) -> None:
    """Reads a length, and sets ``stop`` to the position after that many bytes."""
    source.add(indent, "size = data[pos]", "pos += 1")
    source.add(indent, "if size > 127:", "    size, pos = read_short_varint(data, pos - 1)")
    source.add(indent, "stop = pos + size")
    source.add(indent, "if stop > end:", "    raise IndexError")


def add_width_check(source: SourceLines, indent: int, field: Field) -> None:
    source.add(indent, f"if size & {field.kind.bytes - 1}:")
    source.add(indent, f'    raise Malformed(f"{{size}} bytes of values of {field.kind.bytes}")')


def add_number(source: SourceLines, indent: int, field: Field) -> str:
    """Reads one varint or fixed width number; returns the expression for its value."""
    if field.kind.wire_type in (FIXED64, FIXED32):
        source.add(indent, f"value = unpack_{field.kind.typecode}(data, pos)[0]")
        source.add(indent, f"pos += {field.kind.bytes}")
        return "value"
    source.add(indent, "value = data[pos]", "pos += 1")
    source.add(indent, "if value > 127:", "    value, pos = read_varint(data, pos - 1)")
    narrowed = _narrowed(field)
    if narrowed != "value":
        source.add(indent, f"    value = {narrowed}")
    return _meaning(field)


def _narrowed(field: Field) -> str:
    """The expression that narrows a varint of 64 bits to the field's width and sign."""
    bits = field.kind.bits
    if field.kind.writer == "write_signed":
        sign = 1 << bits - 1
        return f"((value & {(1 << bits) - 1}) ^ {sign}) - {sign}"
    return f"value & {(1 << bits) - 1}" if 1 < bits < 64 else "value"


def _meaning(field: Field) -> str:
    """A narrowed varint's value in Python."""
    if field.type == betterproto2.TYPE_ENUM:
        return f"ENUM_{field.cls.__name__}[value]"
    if field.type == betterproto2.TYPE_BOOL:
        return "value != 0"
    if field.kind.writer == "write_zigzag":
        return "(value >> 1) ^ -(value & 1)"
    return "value"


def _add_usual(source: SourceLines, indent: int, field: Field) -> None:
    """The usual form of a field: one value, or packed ones."""
    if not (field.repeated and field.packable):
        _add_value(source, indent, field)
        return
    add_size(source, indent)
    if field.kind.wire_type == VARINT:
        add_count(source, indent, "size")
        source.add(indent, "for value in read_varints(data, pos, stop):")
        narrowed = _narrowed(field)
        if narrowed != "value":
            source.add(indent, f"    value = {narrowed}")
        source.add(indent, f"    fields[{field.name!r}].append({_meaning(field)})")
    else:
        add_width_check(source, indent, field)
        add_count(source, indent, f"size // {wire.PACKED_BYTES}")
        form = f'f"<{{size // {field.kind.bytes}}}{field.kind.typecode}"'
        source.add(indent, f"fields[{field.name!r}] += unpack({form}, data, pos)")
    source.add(indent, "pos = stop")


def _add_value(source: SourceLines, indent: int, field: Field) -> None:
    """One value: of a singular field, or one more of a repeated one."""
    if field.packable:
        _add_store(source, indent, field, add_number(source, indent, field))
        return
    add_size(source, indent)
    if field.type == betterproto2.TYPE_STRING:
        value = 'str(data[pos:stop], "utf-8")'
    elif field.type == betterproto2.TYPE_BYTES:
        value = "bytes(data[pos:stop])"
    else:
        into = "None" if field.repeated else f"fields[{field.name!r}]"
        value = f"decode_{field.cls.__name__}(data, pos, stop, depth - 1, state, {into})"
        add_count(source, indent, str(wire.EMBEDDED_MESSAGE))
        source.add(indent, "state.left = left")
    _add_store(source, indent, field, value)
    if field.type == betterproto2.TYPE_MESSAGE:
        source.add(indent, "left = state.left")
    source.add(indent, "pos = stop")


def _add_store(source: SourceLines, indent: int, field: Field, value: str) -> None:
    if field.repeated:
        source.add(indent, f"fields[{field.name!r}].append({value})")
        return
    source.add(indent, f"fields[{field.name!r}] = {value}")
    if field.rivals:
        rivals = " = ".join(f"fields[{rival!r}]" for rival in field.rivals)
        source.add(indent, f"{rivals} = None")

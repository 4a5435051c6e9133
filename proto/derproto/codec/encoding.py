"""betterproto2's dataclasses to bytes, by one compiled function a class.

The bytes are the same as google.protobuf's: fields by number, then the unknown fields of the
decoded message. Any object with the class's attributes can be encoded; columns may be arrays.
"""

import struct
from collections.abc import Callable
from functools import cache
from math import copysign
from typing import Any, TypeVar

import betterproto2
from betterproto2 import Message

from derproto.codec import wire
from derproto.codec.codec_errors import EncodeError
from derproto.codec.fields import Field, reachable
from derproto.codec.generated import SourceLines, define
from derproto.codec.wire import VARINT

M = TypeVar("M", bound=Message)

Writer = Callable[[Any], bytearray]


def encoder(cls: type[M]) -> Callable[[M], bytes]:
    """A function that encodes messages of ``cls``; compiled once.

    The function raises EncodeError for a value that does not fit its field. It does not check
    types; mypy does.

    Raises: UnsupportedField if ``cls``, or a class within it, has a field that cannot be compiled.
    """
    return _encoder(cls)


@cache
def _encoder(cls: Any) -> Callable[[Any], bytes]:
    write = compile_writer(cls)

    def encode(message: Any) -> bytes:
        return bytes(write(message))

    return encode


def compile_writer(cls: type[Message]) -> Writer:
    """The compiled function of ``cls``; those of the classes within it are its globals."""
    source = SourceLines()
    namespace: dict[str, Any] = {
        "FAULTS": (struct.error, OverflowError, UnicodeEncodeError),
        "copysign": copysign,
        "EncodeError": EncodeError,
        "write_varint": wire.write_varint,
        "write_unsigned": wire.write_unsigned,
        "write_signed": wire.write_signed,
        "write_zigzag": wire.write_zigzag,
        "write_column": wire.write_column,
    }
    for each, fields in reachable(cls).items():
        for field in fields:
            if field.kind.typecode and not field.repeated:
                size, code = len(wire.write_varint(field.tag)), field.kind.typecode
                namespace[f"pack_{size}{code}"] = struct.Struct(f"<{size}s{code}").pack
        _add_encoder(source, each.__name__, fields)
    define(f"encoder of {cls.__name__}", source, namespace)
    compiled: Writer = namespace[f"encode_{cls.__name__}"]
    return compiled


def _add_encoder(source: SourceLines, name: str, fields: tuple[Field, ...]) -> None:
    source.add(0, f"def encode_{name}(message):")
    source.add(1, "out = bytearray()")
    source.add(1, "try:")
    for field in fields:
        source.add(2, f"value = message.{field.name}")
        source.add(2, f"if {_is_written(field)}:")
        source.add(3, f"field = {field.name!r}")
        if not field.repeated:
            _add_value(source, 3, field)
        elif field.packable:
            _add_packed(source, 3, field)
        else:
            source.add(3, "for value in value:")
            _add_value(source, 4, field)
    source.add(2, "out += message._unknown_fields")
    source.add(1, "except FAULTS as error:")
    source.add(2, f'raise EncodeError(f"{name}.{{field}}: {{error}}") from error')
    source.add(1, "return out")
    source.add(0, "")


def _is_written(field: Field) -> str:
    if field.presence:
        return "value is not None"
    if field.kind.typecode == "d" and not field.repeated:
        return "value or copysign(1.0, value) < 0"  # -0.0 is not the default
    return "value"


def _add_value(source: SourceLines, indent: int, field: Field) -> None:
    tag = wire.write_varint(field.tag)
    if code := field.kind.typecode:
        source.add(indent, f"out += pack_{len(tag)}{code}({tag!r}, value)")
    elif field.type == betterproto2.TYPE_BOOL:
        yes, no = tag + b"\x01", tag + b"\x00"
        source.add(indent, f"out += {yes!r} if value else {no!r}")
    elif field.kind.wire_type == VARINT:
        source.add(indent, f"out += {tag!r}")
        if field.kind.writer != "write_zigzag":
            source.add(indent, "if 0 <= value < 128:", "    out.append(value)", "else:")
            indent += 1
        source.add(indent, f"out += {_varint(field)}")
    else:
        if field.type == betterproto2.TYPE_STRING:
            source.add(indent, 'value = value.encode("utf-8")')
        elif field.type == betterproto2.TYPE_MESSAGE:
            source.add(indent, f"value = encode_{field.cls.__name__}(value)")
        source.add(indent, f"out += {tag!r}")
        _add_sized(source, indent)


def _varint(field: Field) -> str:
    return f"{field.kind.writer}(value, {field.kind.bits})"


def _add_sized(source: SourceLines, indent: int) -> None:
    """Writes the length of ``value``, which is bytes by now, and ``value``."""
    source.add(indent, "size = len(value)")
    source.add(indent, "if size < 128:", "    out.append(size)")
    source.add(indent, "else:", "    out += write_varint(size)")
    source.add(indent, "out += value")


def _add_packed(source: SourceLines, indent: int, field: Field) -> None:
    if field.kind.typecode:
        source.add(indent, f"value = write_column({field.kind.typecode!r}, value)")
    else:
        source.add(indent, f'value = b"".join([{_varint(field)} for value in value])')
    source.add(indent, f"out += {wire.write_varint(field.packed_tag)!r}")
    _add_sized(source, indent)

"""The fields of a message class, read from betterproto2's metadata: pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import betterproto2
from betterproto2 import Message, ProtoClassMetadata

from derproto.codec.codec_errors import UnsupportedField
from derproto.codec.wire import FIXED32, FIXED64, LENGTH, VARINT


@dataclass(frozen=True, slots=True)
class WireFormat:
    """The encoding of a protobuf type: its wire type and, where they apply, its details."""

    wire_type: int
    typecode: str = ""
    """The code that ``struct`` and ``array`` have for it, for fixed width."""
    bits: int = 0
    """Width of a varint's value."""
    writer: str = ""
    """The function of ``wire`` that writes such a varint."""

    @property
    def bytes(self) -> int:
        return 8 if self.wire_type == FIXED64 else 4


WIRE_FORMATS: Mapping[str, WireFormat] = MappingProxyType(
    {
        betterproto2.TYPE_DOUBLE: WireFormat(FIXED64, typecode="d"),
        betterproto2.TYPE_FIXED64: WireFormat(FIXED64, typecode="Q"),
        betterproto2.TYPE_SFIXED64: WireFormat(FIXED64, typecode="q"),
        betterproto2.TYPE_FIXED32: WireFormat(FIXED32, typecode="I"),
        betterproto2.TYPE_SFIXED32: WireFormat(FIXED32, typecode="i"),
        betterproto2.TYPE_BOOL: WireFormat(VARINT, bits=1, writer="write_unsigned"),
        betterproto2.TYPE_UINT32: WireFormat(VARINT, bits=32, writer="write_unsigned"),
        betterproto2.TYPE_UINT64: WireFormat(VARINT, bits=64, writer="write_unsigned"),
        betterproto2.TYPE_INT32: WireFormat(VARINT, bits=32, writer="write_signed"),
        betterproto2.TYPE_INT64: WireFormat(VARINT, bits=64, writer="write_signed"),
        betterproto2.TYPE_ENUM: WireFormat(VARINT, bits=32, writer="write_signed"),
        betterproto2.TYPE_SINT32: WireFormat(VARINT, bits=32, writer="write_zigzag"),
        betterproto2.TYPE_SINT64: WireFormat(VARINT, bits=64, writer="write_zigzag"),
        betterproto2.TYPE_STRING: WireFormat(LENGTH),
        betterproto2.TYPE_BYTES: WireFormat(LENGTH),
        betterproto2.TYPE_MESSAGE: WireFormat(LENGTH),
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message class."""

    name: str
    number: int
    type: str
    """betterproto2's name of the protobuf type."""
    kind: WireFormat
    cls: Any
    """The Python class of one value; for a message or an enum, that class."""
    repeated: bool
    presence: bool
    """Whether None means absent, so that a default value is written: optional, oneof, message."""
    rivals: tuple[str, ...]
    """The other fields of its oneof."""

    @property
    def packable(self) -> bool:
        return self.kind.wire_type != LENGTH

    @property
    def tag(self) -> int:
        """The tag of one value."""
        return self.number << 3 | self.kind.wire_type

    @property
    def packed_tag(self) -> int:
        return self.number << 3 | LENGTH


def metadata(cls: Any) -> ProtoClassMetadata:
    """betterproto2's metadata of a message class, made at first use."""
    made: ProtoClassMetadata = cls._betterproto
    return made


def fields_of(cls: type[Message]) -> tuple[Field, ...]:
    """A class's fields, by number.

    Raises: UnsupportedField for float (a Python float would change it), maps, wrappers and
    well-known types (betterproto2 converts them to Python's own), and pydantic classes (they
    validate their values).
    """
    meta = metadata(cls)
    if hasattr(cls, "__pydantic_fields__"):
        raise UnsupportedField(f"{cls.__name__}: pydantic classes are not compiled")
    fields = []
    for name in meta.sorted_field_names:
        of = meta.meta_by_field_name[name]
        if of.unwrap is not None or of.proto_type not in WIRE_FORMATS:
            kind = "well-known types" if of.unwrap is not None else of.proto_type
            raise UnsupportedField(f"{cls.__name__}.{name}: {kind} is not compiled")
        rivals = meta.oneof_field_by_group[of.group] if of.group else set()
        presence = of.optional or of.group or of.proto_type == betterproto2.TYPE_MESSAGE
        fields.append(
            Field(
                name=name,
                number=of.number,
                type=of.proto_type,
                kind=WIRE_FORMATS[of.proto_type],
                cls=meta.cls_by_field[name],
                repeated=bool(of.repeated),
                presence=bool(presence) and not of.repeated,
                rivals=tuple(sorted(rival.name for rival in rivals if rival.name != name)),
            )
        )
    return tuple(fields)


def reachable(cls: type[Message]) -> dict[type[Message], tuple[Field, ...]]:
    """The fields of a class and of every message class that its fields lead to.

    Raises: UnsupportedField, also for two classes of one name, which compiled code could
    not tell apart.
    """
    found: dict[type[Message], tuple[Field, ...]] = {}
    named: dict[str, Any] = {}
    waiting: list[Any] = [cls]
    while waiting:
        each = waiting.pop()
        if named.setdefault(each.__name__, each) is not each:
            raise UnsupportedField(f"{cls.__name__}: two classes named {each.__name__}")
        if issubclass(each, betterproto2.Enum) or each in found:
            continue
        found[each] = fields_of(each)
        waiting.extend(
            field.cls
            for field in found[each]
            if field.type in (betterproto2.TYPE_MESSAGE, betterproto2.TYPE_ENUM)
        )
    return found

"""The two models that the codec is held against, and what a message holds, in plain values."""

import math
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import betterproto2
from betterproto2 import Message
from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message,
    message_factory,
)
from grpc_tools import protoc

from derproto.codec import DecodeError
from derproto.codec.fields import Field, fields_of, reachable
from derproto.der import v1
from tests.property.codec.kinds import Kinds
from tests.support.repository import ROOT

T = TypeVar("T")
U = TypeVar("U")

MESSAGES: tuple[type[Message], ...] = tuple(
    each
    for name in v1.__all__
    if issubclass(each := getattr(v1, name), Message)  # the others are enums
)
"""Every message class of the contract."""

CLASSES: tuple[type[Message], ...] = (*MESSAGES, Kinds)

GoogleError = message.DecodeError


@cache
def google_classes() -> dict[type[Message], Any]:
    """google.protobuf's classes by ours, made by protoc from the .proto files."""
    sources = {ROOT / "proto": "der/v1/headend.proto", Path(__file__).parent: "kinds.proto"}
    pool = descriptor_pool.DescriptorPool()
    with TemporaryDirectory() as folder:
        compiled = Path(folder) / "set"
        for root, name in sources.items():
            assert not protoc.main(["", f"-I{root}", f"--descriptor_set_out={compiled}", name])
            for file in descriptor_pb2.FileDescriptorSet.FromString(compiled.read_bytes()).file:
                pool.Add(file)
    names = {cls: f"der.v1.{cls.__name__}" for cls in MESSAGES} | {Kinds: "kinds.Kinds"}
    return {
        cls: message_factory.GetMessageClass(pool.FindMessageTypeByName(name))
        for cls, name in names.items()
    }


def google(cls: type[Message]) -> Any:
    return google_classes()[cls]


def plain(message: Any, cls: type[Message]) -> dict[str, Any]:
    """The values of a message of either library, or of columns, without unknown fields.

    Floats by their bits, so that -0.0 is not 0.0 and a NaN is itself.
    """
    return {field.name: _plain_field(message, field) for field in fields_of(cls)}


def _plain_field(message: Any, field: Field) -> Any:
    if field.repeated:
        return [_plain_value(value, field) for value in getattr(message, field.name)]
    if field.presence and hasattr(message, "HasField") and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    return None if value is None else _plain_value(value, field)


def _plain_value(value: Any, field: Field) -> Any:
    if field.type == betterproto2.TYPE_MESSAGE:
        return plain(value, field.cls)
    if field.kind.typecode == "d":
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if field.type == betterproto2.TYPE_BOOL:
        assert isinstance(value, bool)
        return value
    return int(value) if isinstance(value, int) else value


def attempt(decode: Callable[[T], U], data: T) -> U | DecodeError:
    """What is decoded, or the error."""
    try:
        return decode(data)
    except DecodeError as error:
        return error


def unknown_fields(message: Message) -> list[bytes]:
    """What each message within a message keeps as unknown, in a fixed order."""
    assert isinstance(message._unknown_fields, bytes)
    found = [message._unknown_fields]
    for field in reachable(type(message))[type(message)]:
        if field.type == betterproto2.TYPE_MESSAGE:
            value = getattr(message, field.name)
            for inner in value if field.repeated else [value] if value is not None else []:
                found += unknown_fields(inner)
    return found

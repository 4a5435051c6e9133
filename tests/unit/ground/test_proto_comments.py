"""The contract explains itself: it is read by people with other stacks."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from google.protobuf.descriptor_pb2 import (  # type: ignore[import-untyped]
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

from tests.support.repository import ROOT


@dataclass(frozen=True, slots=True)
class Element:
    """A message, field, enum, enum value, service or rpc."""

    name: str
    """With what it belongs to, such as ``Telemetry.p_mw``."""
    comment: str
    """The comment before it, on one line."""
    numeric: bool = False


@cache
def elements() -> tuple[Element, ...]:
    with TemporaryDirectory() as folder:
        compiled = Path(folder) / "set"
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", "-I", "proto"),
                *("--include_source_info", f"--descriptor_set_out={compiled}"),
                "proto/der/v1/headend.proto",
            ],
            cwd=ROOT,
            check=True,
        )
        (file,) = FileDescriptorSet.FromString(compiled.read_bytes()).file
    return tuple(_elements(file))


def _elements(file: FileDescriptorProto) -> Iterator[Element]:
    comments = {
        tuple(place.path): " ".join(place.leading_comments.split())
        for place in file.source_code_info.location
    }
    # The numbers are those of the fields in FileDescriptorProto and its parts.
    for n, message in enumerate(file.message_type):
        yield from _message(message, (4, n), comments)
    for n, enum in enumerate(file.enum_type):
        yield from _enum(enum, (5, n), comments)
    for n, service in enumerate(file.service):
        yield Element(service.name, comments.get((6, n), ""))
        for m, rpc in enumerate(service.method):
            yield Element(f"{service.name}.{rpc.name}", comments.get((6, n, 2, m), ""))


def _message(
    message: DescriptorProto, at: tuple[int, ...], comments: dict[tuple[int, ...], str]
) -> Iterator[Element]:
    yield Element(message.name, comments.get(at, ""))
    for n, field in enumerate(message.field):
        yield Element(
            f"{message.name}.{field.name}",
            comments.get((*at, 2, n), ""),
            field.type not in NOT_NUMBERS,
        )
    for n, inner in enumerate(message.nested_type):
        yield from _message(inner, (*at, 3, n), comments)
    for n, enum in enumerate(message.enum_type):
        yield from _enum(enum, (*at, 4, n), comments)


def _enum(
    enum: EnumDescriptorProto, at: tuple[int, ...], comments: dict[tuple[int, ...], str]
) -> Iterator[Element]:
    yield Element(enum.name, comments.get(at, ""))
    for n, value in enumerate(enum.value):
        yield Element(value.name, comments.get((*at, 2, n), ""))


_F = FieldDescriptorProto
NOT_NUMBERS = {_F.TYPE_BOOL, _F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_MESSAGE, _F.TYPE_ENUM}

UNITS = {
    "us": "microseconds",
    "ms": "milliseconds",
    "mw": "MW",
    "mvar": "Mvar",
    "mw_per_s": "MW/s",
    "v": "V",
    "hz": "Hz",
}
"""What the comment of a field with such a name must say."""

RANGE = re.compile(r"\d\.\.\d|\bnot 0\b|\d or more|\bat least\b|\bfrom \d|\babove \d")
REFERENCE = re.compile(
    r"\bas assigned by\b|\ba value of [A-Z]|\bbits as in [A-Z]|\bthe boot\b", re.I
)
"""Numbers that measure nothing say what they refer to."""


def unit_of(name: str) -> str | None:
    """The unit that a field's name ends with."""
    field = name.split(".")[-1]
    endings = sorted(UNITS, key=len, reverse=True)
    return next((u for u in endings if field == u or field.endswith("_" + u)), None)


def explained(element: Element) -> bool:
    unit = unit_of(element.name)
    if unit is not None:
        return re.search(rf"\b{re.escape(UNITS[unit])}(?!\w)", element.comment) is not None
    return bool(RANGE.search(element.comment) or REFERENCE.search(element.comment))


def test_everything_has_a_comment() -> None:
    assert [element.name for element in elements() if not element.comment] == []
    # Of each kind, something was looked at.
    names = {element.name for element in elements()}
    assert names >= {"Setpoint", "Setpoint.mw", "Health", "HEALTH_OK", "Headend", "Headend.Session"}


def test_comments_are_sentences() -> None:
    assert [element.name for element in elements() if element.comment[-1] != "."] == []


def test_numbers_have_a_unit_or_a_range() -> None:
    numbers = [element for element in elements() if element.numeric]
    assert len(numbers) > 30
    assert [element.name for element in numbers if not explained(element)] == []


def test_power_has_a_sign() -> None:
    powers = [e for e in elements() if unit_of(e.name) in ("mw", "mvar") and e.numeric]
    assert len(powers) >= 4
    assert [power.name for power in powers if "positive" not in power.comment] == []


@pytest.mark.parametrize(
    ("name", "comment", "enough"),
    [
        ("Setpoint.mw", "What to hold.", False),
        ("Setpoint.mw", "Active power, MW.", True),
        ("Telemetry.ts_us", "When, milliseconds.", False),
        ("Outbox.rows", "Number of samples.", False),
        ("Outbox.rows", "Number of samples; 0 or more.", True),
        ("Telemetry.voltage_v", "Voltage.", False),
    ],
)
def test_the_rule_on_numbers_sees(name: str, comment: str, enough: bool) -> None:
    assert explained(Element(name, comment, numeric=True)) is enough

"""Options are declared once; the check of a ``device`` section follows from that."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import pytest

from deragent.devices import PATH, Address, AssetKind, Number, Option, Truth, Whole, address
from deragent.devices.driver_options import (
    declared_options,
    default_in_words,
    read_options,
    type_in_words,
)
from derproto.configuration.fleet import DeviceSpec, FilePlace


@dataclass(frozen=True, kw_only=True)
class PumpOptions:
    host: Annotated[Address, Option(address(least_port=1), "address of the pump")]
    unit: Annotated[int, Option(Whole(1, 247), "its unit")] = 1
    answer_s: Annotated[float, Option(Number(above=0, most=60, unit="s"), "its patience")] = 2.5
    curve: Annotated[Path | None, Option(PATH, "its curve", unset="none")] = None
    deep: Annotated[bool, Option(Truth(), "whether it is deep", of=frozenset({AssetKind.LOAD}))] = (
        False
    )


def spec(**options: object) -> DeviceSpec:
    lines = {"driver": 7, **{key: 8 + index for index, key in enumerate(options)}}
    place = FilePlace("/site/assets.yaml", "assets[0].device", 7, MappingProxyType(lines))
    return DeviceSpec("pump", options, place)


def problems(kind: AssetKind = AssetKind.LOAD, **options: object) -> list[str]:
    return [str(problem) for problem in read_options(PumpOptions, spec(**options), kind).problems]


def test_options_come_with_their_types_and_defaults() -> None:
    given = spec(host="10.0.0.7:502", unit=3, curve="curves/a.csv", deep=True)
    read = read_options(PumpOptions, given, AssetKind.LOAD)
    # A path is relative to the file that names it.
    expected = PumpOptions(
        host=Address("10.0.0.7", 502), unit=3, curve=Path("/site/curves/a.csv"), deep=True
    )
    assert (read.options, read.problems) == (expected, ())
    assert expected.answer_s == 2.5


def test_every_problem_names_its_line_and_what_to_write() -> None:
    place = "/site/assets.yaml"
    assert problems(hots="10.0.0.7:502", unit=0, answer_s="fast") == [
        f"{place}:8: assets[0].device.hots: unknown key; did you mean host?",
        f"{place}:9: assets[0].device.unit: 0 is out of range; write a whole number from 1 to 247",
        f"{place}:10: assets[0].device.answer_s: the text 'fast' is not a number; "
        "write a number above 0 and up to 60, in s",
        f"{place}:7: assets[0].device.host: missing; write host: address of the pump",
    ]
    assert problems(AssetKind.SOLAR, host="h:1", deep=True) == [
        f"{place}:9: assets[0].device.deep: only kind load has it, not solar; remove the line"
    ]


def test_a_section_that_is_in_no_file_has_problems_without_a_line() -> None:
    read = read_options(PumpOptions, DeviceSpec("pump", {"host": 5}), AssetKind.LOAD)
    (problem,) = read.problems
    assert str(problem).startswith("device.host: the number 5 is not text;")


def test_types_and_defaults_are_told_in_words() -> None:
    assert [
        (type_in_words(each.option.kind), default_in_words(each))
        for each in declared_options(PumpOptions)
    ] == [
        ("host:port, such as 127.0.0.1:8080 or [::1]:8080", "required"),
        ("whole number from 1 to 247", "1"),
        ("number above 0 up to 60", "2.5"),
        ("a path", "none"),
        ("true or false", "false"),
    ]


@dataclass(frozen=True)
class Bare:
    host: str


@dataclass(frozen=True)
class Partly:
    deep: Annotated[bool, Option(Truth(), "depth", of=frozenset({AssetKind.LOAD}))]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(Bare, r"Bare\.host: write Annotated"), (Partly, r"Partly\.deep: give it a default")],
)
def test_a_wrong_declaration_names_its_field(wrong: type, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        declared_options(wrong)

"""A driver's options: declared once as the fields of a dataclass, read from an asset's ``device``.

    @dataclass(frozen=True, kw_only=True)
    class MeterOptions:
        host: Annotated[Address, Option(address(least_port=1), "address of the meter")]
        answer_s: Annotated[float, Option(Number(above=0, unit="s"), "time for an answer")] = 2.0

A field without a default is required. From the same lines come the check of ``assets.yaml``,
``deragent drivers``, and the tables of the documents. Nothing here opens a file.
"""

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar, get_origin, get_type_hints

from derproto.configuration.fleet import AssetKind, DeviceSpec, FilePlace
from derproto.configuration.kinds import FromText, Kind, Number, Texts, Truth, Whole
from derproto.configuration.problems import Problem, nearest

O = TypeVar("O")  # noqa: E741 - the usual letter of a type of options


@dataclass(frozen=True, slots=True)
class Option:
    """Declares one option: the annotation of a field in a driver's options."""

    kind: Kind[object]
    """Type, unit and range. ``deragent.devices`` has the kinds."""
    help: str
    """What the option sets, in a phrase without a full stop."""
    unset: str = ""
    """What holds without the key, in words; empty = the field's default says it."""
    of: frozenset[AssetKind] = frozenset(AssetKind)
    """The kinds of assets that have the option."""


@dataclass(frozen=True, slots=True)
class DeclaredOption:
    """A field of a driver's options, with its declaration."""

    key: str
    option: Option
    required: bool
    default: object
    """None = without the key, ``option.unset`` holds."""


@dataclass(frozen=True, slots=True)
class ReadOptions(Generic[O]):
    """An asset's options as its driver takes them."""

    options: O | None
    """None if there are problems."""
    problems: tuple[Problem, ...] = ()


def declared_options(options: type[Any]) -> tuple[DeclaredOption, ...]:
    """The options that a driver's dataclass declares, in its order.

    Raises: TypeError that names the field, for a class that is no such declaration.
    """
    return _declared(options)  # type: ignore[arg-type] # mypy: a type is not Hashable


@cache
def _declared(options: type[Any]) -> tuple[DeclaredOption, ...]:
    hints = get_type_hints(options, include_extras=True)
    found = []
    for each in fields(options):
        where = f"{options.__qualname__}.{each.name}"
        extras = (
            getattr(hints[each.name], "__metadata__", ()) if get_origin(hints[each.name]) else ()
        )
        declared = [extra for extra in extras if isinstance(extra, Option)]
        if len(declared) != 1:
            raise TypeError(f"{where}: write Annotated[TYPE, Option(KIND, HELP)]")
        required = each.default is MISSING
        if required and declared[0].of != frozenset(AssetKind):
            raise TypeError(f"{where}: give it a default, since not every kind of asset has it")
        default = None if required else each.default
        found.append(DeclaredOption(each.name, declared[0], required, default))
    return tuple(found)


def read_options(options: type[O], spec: DeviceSpec, kind: AssetKind) -> ReadOptions[O]:
    """The options of an asset's ``device`` section, or every problem with them.

    A relative path starts from the folder of the file that names it.
    """
    known = {each.key: each for each in declared_options(options)}
    names = ["driver", *(key for key, each in known.items() if kind in each.option.of)]
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for key, raw in spec.options.items():
        each = known.get(key)
        if each is None:
            problems.append(_problem(spec.place, key, f"unknown key; {nearest(key, names)}"))
        elif kind not in each.option.of:
            kinds = " or ".join(kind for kind in AssetKind if kind in each.option.of)
            text = f"only kind {kinds} has it, not {kind}; remove the line"
            problems.append(_problem(spec.place, key, text))
        else:
            try:
                value = each.option.kind.read(raw)
            except ValueError as wrong:
                problems.append(_problem(spec.place, key, str(wrong)))
            else:
                values[key] = _resolved(value, spec.place)
    for key, each in known.items():
        if each.required and key not in spec.options:
            text = f"missing; write {key}: {each.option.help}"
            problems.append(_problem(spec.place, key, text))
    if problems:
        return ReadOptions(None, tuple(problems))
    return ReadOptions(options(**values))


def _resolved(value: object, place: FilePlace | None) -> object:
    if isinstance(value, Path) and place is not None:
        return (Path(place.file).parent / value).resolve()
    return value


def _problem(place: FilePlace | None, key: str, text: str) -> Problem:
    if place is None:
        return Problem(None, None, f"device.{key}", text)
    return Problem(place.file, place.lines.get(key, place.line), f"{place.key}.{key}", text)


# --- in words ---------------------------------------------------------------------------------


def type_in_words(kind: Kind[object]) -> str:
    """Type and range of an option's values, without its unit."""
    match kind:
        case Number():
            return " ".join(["number", *_range_in_words(kind)])
        case Whole(least, most):
            return f"whole number from {least} to {most}"
        case Truth():
            return "true or false"
        case Texts():
            return "text, or a list of texts"
        case FromText(wanted=wanted):
            return wanted
        case _:
            return type(kind).__name__.lower()


def _range_in_words(number: Number) -> Iterator[str]:
    lower = number.least > float("-inf")
    if lower:
        yield f"from {number.least:.12g}"
    if number.above > float("-inf"):
        yield f"above {number.above:.12g}"
    if number.most < float("inf"):
        yield f"to {number.most:.12g}" if lower else f"up to {number.most:.12g}"


def default_in_words(declared: DeclaredOption) -> str:
    """What holds without the key."""
    if declared.required:
        return "required"
    if declared.option.unset:
        return declared.option.unset
    default = declared.default
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:.12g}" if isinstance(default, float) else str(default)

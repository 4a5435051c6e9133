"""Definitions of SunSpec's models, read from the files in the package pysunspec2."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

COMMON = 1
END = 0xFFFF
"""The id in place of a model after the last one."""
HEAD = 2
"""Registers of a model's id and length, which the length does not count."""


@dataclass(frozen=True, slots=True)
class PointDefinition:
    """One point of a model."""

    name: str
    type: str
    """SunSpec's name of it, such as ``int16`` or ``sunssf``."""
    size: int
    """Registers."""
    scale: str | int | None = None
    """Name of the point with the power of ten, or the power; None = unscaled."""
    unit: str = ""
    writable: bool = False
    symbols: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Names of values, or of the bits of a bitfield."""


@dataclass(frozen=True, slots=True)
class GroupDefinition:
    """Points and groups that follow one another in the registers: first the points."""

    name: str
    points: tuple[PointDefinition, ...]
    groups: tuple["GroupDefinition", ...] = ()
    count: str | int | None = None
    """Name of the point with the number of repetitions, or that number; 0 = as many as fit into
    the model; None = once, without an index."""


@dataclass(frozen=True, slots=True)
class ModelDefinition:
    """One model. Its first two points are its id and its length."""

    id: int
    group: GroupDefinition
    label: str = ""
    """For people."""


def parse_definition(content: Mapping[str, Any]) -> ModelDefinition:
    """The definition in a parsed file. Raises: KeyError, if the file is no definition."""
    group = content["group"]
    return ModelDefinition(content["id"], _group(group), group.get("label", "").strip())


def _group(content: Mapping[str, Any]) -> GroupDefinition:
    return GroupDefinition(
        content["name"],
        tuple(_point(point) for point in content["points"]),
        tuple(_group(group) for group in content.get("groups", ())),
        content.get("count"),
    )


def _point(content: Mapping[str, Any]) -> PointDefinition:
    symbols = {symbol["value"]: symbol["name"] for symbol in content.get("symbols", ())}
    return PointDefinition(
        content["name"],
        content["type"],
        content["size"],
        content.get("sf"),
        content.get("units", ""),
        content.get("access") == "RW",
        MappingProxyType(symbols),
    )


@cache
def load_definition(model_id: int) -> ModelDefinition | None:
    """The definition of that model; None for one that pysunspec2 does not have, as a vendor's.

    It reads a file, the first time.
    """
    file = files("sunspec2") / "models" / "json" / f"model_{model_id}.json"
    if not file.is_file():
        return None
    return parse_definition(json.loads(file.read_text(encoding="utf-8")))

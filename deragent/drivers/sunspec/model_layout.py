"""Where the points of one device's model are, and what its registers say. Pure.

A model's definition says which groups repeat; how often, the device says: by a point, or by the
model's length. Either may lie: points beyond the length are left out, whatever a count says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from deragent.drivers.sunspec.model_definitions import (
    HEAD,
    GroupDefinition,
    ModelDefinition,
    PointDefinition,
)
from deragent.drivers.sunspec.point_values import Raw, Scale, decode, scale_of
from deragent.modbus_tcp.read_plan import RegisterImage, Span


@dataclass(frozen=True, slots=True)
class PointPlace:
    """A point in a device's model."""

    path: str
    """``W``, or ``Crv[1].Pt[0].V`` within groups that repeat, from 0."""
    definition: PointDefinition
    span: Span
    scale_path: str | None
    """The point with its scale factor; None if it has none, or a constant."""


@dataclass(frozen=True, slots=True)
class ModelLayout:
    """All points of one device's model, in the order of their registers."""

    model_id: int
    points: Mapping[str, PointPlace]
    """By path."""

    def value(self, path: str, image: RegisterImage) -> Raw | None:
        """The scaled value of a point; None if it is unknown."""
        place = self.points.get(path)
        raw = None if place is None else _raw(place, image)
        if raw is None or isinstance(raw, str | float):
            return raw
        scale = self.scale(path, image)
        return None if scale is None else scale.up(raw)

    def scale(self, path: str, image: RegisterImage) -> Scale | None:
        """The scale of a point; None if the device does not say it, or says nonsense."""
        place = self.points[path]
        if place.scale_path is not None:
            factor = self.points.get(place.scale_path)
            return None if factor is None else scale_of(_raw(factor, image))
        if isinstance(place.definition.scale, int):
            return Scale(place.definition.scale)
        return Scale() if place.definition.scale is None else None

    def symbol(self, path: str, image: RegisterImage) -> str | None:
        """The name of the value of an enumeration; None if it is unknown or has no name."""
        value = self.value(path, image)
        return self.points[path].definition.symbols.get(value) if isinstance(value, int) else None

    def spans(self, path: str) -> Iterator[Span]:
        """What must be read to know the value of a point; nothing if the model has no such."""
        place = self.points.get(path)
        if place is None:
            return
        yield place.span
        factor = self.points.get(place.scale_path or "")
        if factor is not None:
            yield factor.span


def _raw(place: PointPlace, image: RegisterImage) -> Raw | None:
    return decode(place.definition, image.get(place.span))


def lay_out(
    definition: ModelDefinition, address: int, length: int, image: RegisterImage
) -> ModelLayout:
    """The layout of a model of that length, whose id is at that address.

    ``image`` has at least the points that count the model's groups; a group whose count it does
    not have is left out.
    """
    laying = _Laying(address, address + HEAD + length, image)
    laying.place(definition.group, "", {})
    return ModelLayout(definition.id, MappingProxyType(laying.points))


class _Laying:
    """The points that are placed so far."""

    def __init__(self, address: int, end: int, image: RegisterImage) -> None:
        self._address = address
        self._end = end
        self._image = image
        self.points: dict[str, PointPlace] = {}

    def place(self, group: GroupDefinition, prefix: str, outer: Mapping[str, str]) -> None:
        """Places a group. ``outer`` are the paths of the points around it, by name."""
        names = {**outer, **{point.name: prefix + point.name for point in group.points}}
        for point in group.points:
            span = Span(self._address, point.size)
            if span.end <= self._end:
                path = prefix + point.name
                scale = names.get(point.scale) if isinstance(point.scale, str) else None
                self.points[path] = PointPlace(path, point, span, scale)
            self._address = span.end
        for inner in group.groups:
            for label in self._repetitions(inner, names):
                self.place(inner, f"{prefix}{label}.", names)

    def _repetitions(self, group: GroupDefinition, names: Mapping[str, str]) -> Iterator[str]:
        if group.count is None:
            yield group.name
            return
        count = group.count
        if isinstance(count, str):
            counting = self.points.get(names.get(count, ""))
            said = None if counting is None else _raw(counting, self._image)
            if not isinstance(said, int) or said == 0:
                return
            count = said
        index, placed = 0, -1
        # Neither a count nor a group without points makes the list longer than the model.
        while (count == 0 or index < count) and placed < self._address < self._end:
            placed = self._address
            yield f"{group.name}[{index}]"
            index += 1

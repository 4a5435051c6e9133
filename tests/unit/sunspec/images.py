"""The device images that pysunspec2 brings, as the registers of a device."""

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from sunspec2.file.client import FileClientDevice, FileClientModel

from deragent.drivers.sunspec.model_definitions import END, load_definition
from deragent.drivers.sunspec.model_layout import ModelLayout, lay_out
from deragent.drivers.sunspec.model_list import FoundModel, Wanted, find_models
from deragent.modbus_tcp.read_plan import RegisterImage, Span
from launcher.inverters.inverter_registers import registers_of

NAMES = ("device_1547", "inverter_123")


class DeviceImage:
    """A device's registers, and what pysunspec2 says that they mean."""

    def __init__(self, name: str, base: int = 40000) -> None:
        file = files("sunspec2") / "tests" / "test_data" / f"{name}.json"
        self.base = base
        self.theirs = FileClientDevice()
        # As its own scan does, which leaves the file open.
        for content in json.loads(file.read_text())["models"]:
            if content["ID"] != END:
                length = content.get("L") or 0
                model = FileClientModel(content["ID"], model_len=length, data=content)
                self.theirs.add_model(model)
        self.data = b"SunS" + b"".join(map(registers_of, self.theirs.model_list)) + b"\xff\xff"

    def read(self, wanted: Wanted | Span) -> bytes | None:
        """Registers; None for an address beyond the map."""
        start = 2 * (wanted.address - self.base)
        found = self.data[start : start + 2 * wanted.count] if start >= 0 else b""
        return found if len(found) == 2 * wanted.count else None

    @property
    def image(self) -> RegisterImage:
        return RegisterImage(((Span(self.base, len(self.data) // 2), self.data),))

    def layouts(self) -> list[ModelLayout]:
        return [layout_of(found, self.image) for found in search(self)]


def model_with(
    model_id: int, address: int, **values: object
) -> tuple[ModelLayout, tuple[Span, bytes]]:
    """A model with these raw values, all others not implemented, as pysunspec2 writes it."""
    data = registers_of(FileClientModel(model_id, data={"ID": model_id, "L": 0, **values}))
    span = Span(address, len(data) // 2)
    found = FoundModel(model_id, address, span.count - 2)
    return layout_of(found, RegisterImage(((span, data),))), (span, data)


def search(device: DeviceImage) -> tuple[FoundModel, ...]:
    """Finds the models of a device."""
    searching = find_models()
    wanted = next(searching)
    while True:
        try:
            wanted = searching.send(device.read(wanted))
        except StopIteration as done:
            models: tuple[FoundModel, ...] = done.value
            return models


def layout_of(found: FoundModel, image: RegisterImage) -> ModelLayout:
    definition = load_definition(found.model_id)
    assert definition is not None
    return lay_out(definition, found.address, found.length, image)


def values_of(group: Any, prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Path and value of each point of one of pysunspec2's groups."""
    for name, point in group.points.items():
        yield prefix + name, point
    for name, inner in group.groups.items():
        if isinstance(inner, list):
            for index, each in enumerate(inner):
                yield from values_of(each, f"{prefix}{name}[{index}].")
        else:
            yield from values_of(inner, f"{prefix}{name}.")

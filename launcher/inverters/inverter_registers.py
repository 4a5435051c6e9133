"""The registers of one asset's inverter: models 1, 701, 702, 704, 713 and 715 of SunSpec.

pysunspec2 writes the models' first registers. The places of points are those of the driver.
"""

from collections.abc import Mapping
from typing import Any

from sunspec2.file.client import FileClientModel

from deragent.devices import Asset, AssetKind, Measurement, OperatingState
from deragent.drivers.sunspec.model_definitions import load_definition
from deragent.drivers.sunspec.model_layout import ModelLayout, lay_out
from deragent.drivers.sunspec.point_values import Raw, Scale, encode, not_implemented
from deragent.modbus_tcp.read_plan import RegisterImage, Span

BASE = 40000
MANUFACTURER = "derhead"
HEADROOM = 1.5
"""Power beyond the rating that the registers can still show."""

WRITABLE = (
    (704, "WSetEna"),
    (704, "WSetMod"),
    (704, "WSet"),
    (704, "WSetRvrt"),
    (704, "WSetEnaRvrt"),
    (704, "WSetRvrtTms"),
    (715, "ControllerHb"),
)
"""Points that a controller may write."""

_STATES = {
    OperatingState.OFF: 0,
    OperatingState.STARTING: 2,
    OperatingState.RUNNING: 3,
    OperatingState.CURTAILED: 4,
    OperatingState.FAULT: 6,
    OperatingState.STANDBY: 7,
}
"""Values of ``InvSt`` of model 701."""


def power_exponent(rated_mw: float) -> int:
    """The finest power of ten, W, at which 16 bits hold such a rating with headroom."""
    exponent = 0
    while HEADROOM * rated_mw * 1e6 / 10**exponent > 0x7FFF:
        exponent += 1
    return exponent


def serial_of(asset: Asset) -> str:
    """The serial number of the asset's inverter: its id without hyphens, 32 characters."""
    return asset.id.replace("-", "")


def _models(asset: Asset) -> Mapping[int, Mapping[str, Any]]:
    exponent = power_exponent(asset.rated_mw)
    rated = round(asset.rated_mw * 1e6 / 10**exponent)
    store = {713: {"SoC": 0, "Pct_SF": -1}} if asset.kind is AssetKind.BATTERY else {}
    return {
        1: {"Mn": MANUFACTURER, "Md": str(asset.kind), "Vr": "1", "SN": serial_of(asset)},
        701: {
            "ACType": 2,
            "St": 1,
            "InvSt": 3,
            "ConnSt": 1,
            "Alrm": 0,
            "W": 0,
            "Var": 0,
            "LNV": 0,
            "Hz": 0,
            "W_SF": exponent,
            "Var_SF": exponent,
            "V_SF": -1,
            "Hz_SF": -3,
        },
        702: {"WMaxRtg": rated, "WMax": rated, "W_SF": exponent},
        704: {
            "WSetEna": 0,
            "WSetMod": 1,
            "WSet": 0,
            "WSetRvrt": 0,
            "WSetEnaRvrt": 0,
            "WSetRvrtTms": 0,
            "WSetRvrtRem": 0,
            "WSet_SF": 0,
        },
        **store,
        715: {"LocRemCtl": 0, "DERHb": 0, "ControllerHb": 0},
    }


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def registers_of(model: Any) -> bytes:
    """The registers of one of pysunspec2's models."""
    data = bytearray(model.get_mb())
    # A file need not say a model's length; a device must.
    data[2:4] = (len(data) // 2 - 2).to_bytes(2, "big")
    return bytes(data)


def lay_out_models(
    models: Mapping[int, Mapping[str, Any]],
) -> tuple[bytearray, dict[int, ModelLayout]]:
    """Registers from ``BASE`` on, without the end of the list, and the places of their points.

    ``models``: by id, in their order, the points' raw values.
    """
    layouts: dict[int, ModelLayout] = {}
    data = bytearray(b"SunS")
    for model_id, values in models.items():
        content = {"ID": model_id, "L": 0, **values}
        registers = registers_of(FileClientModel(model_id, data=content))
        address, definition = BASE + len(data) // 2, load_definition(model_id)
        assert definition is not None
        image = RegisterImage(((Span(address, len(registers) // 2), registers),))
        length = len(registers) // 2 - 2
        layouts[model_id] = lay_out(definition, address, length, image)
        data += registers
    return data, layouts


class InverterRegisters:
    """The holding registers of an asset's inverter, from ``BASE``."""

    def __init__(self, asset: Asset) -> None:
        data, self._layouts = lay_out_models(_models(asset))
        # The end: an id without a model, and no length.
        self._data = data + b"\xff\xff\0\0"
        self._writable = {
            address
            for span in (self.span(*point) for point in WRITABLE)
            for address in range(span.address, span.end)
        }

    def read(self, span: Span) -> bytes | None:
        """The registers, big-endian; None if some are not there."""
        start, end = 2 * (span.address - BASE), 2 * (span.end - BASE)
        return bytes(self._data[start:end]) if 0 <= start < end <= len(self._data) else None

    def write(self, address: int, data: bytes) -> bool:
        """Writes what a controller sends; False, with nothing written, where it may not write."""
        span = Span(address, len(data) // 2)
        if not self._writable.issuperset(range(span.address, span.end)):
            return False
        start = 2 * (address - BASE)
        self._data[start : start + len(data)] = data
        return True

    def span(self, model_id: int, path: str) -> Span:
        """Where a point is."""
        return self._layouts[model_id].points[path].span

    def value(self, model_id: int, path: str) -> Raw | None:
        """The scaled value of a point; None if it is unknown."""
        return self._layouts[model_id].value(path, self._image())

    def number(self, model_id: int, path: str) -> float:
        """The value of a point with a number; 0 if it is unknown."""
        value = self.value(model_id, path)
        return value if isinstance(value, int | float) else 0.0

    def put(self, model_id: int, path: str, value: float | None) -> None:
        """Sets a point from inside the device; None = unknown. Raises: UnfitValueError."""
        layout = self._layouts[model_id]
        place, scale = layout.points[path], layout.scale(path, self._image())
        if value is None:
            data = not_implemented(place.definition)
        else:
            data = encode(place.definition, value, scale or Scale())
        start = 2 * (place.span.address - BASE)
        self._data[start : start + len(data)] = data

    def show(self, reading: Measurement) -> None:
        """Sets the measured points. What is unknown is not implemented. Raises: UnfitValueError."""
        self.put(701, "W", _times(reading.p_mw, 1e6))
        self.put(701, "Var", _times(reading.q_mvar, 1e6))
        self.put(701, "LNV", reading.voltage_v)
        self.put(701, "Hz", reading.frequency_hz)
        state = _STATES.get(reading.status)
        self.put(701, "InvSt", state)
        self.put(701, "St", None if state is None else min(state, 1))
        if 713 in self._layouts:
            self.put(713, "SoC", _times(reading.soc, 100))

    def _image(self) -> RegisterImage:
        return RegisterImage(((Span(BASE, len(self._data) // 2), bytes(self._data)),))

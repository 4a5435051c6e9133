"""What a device offers, from the registers of its models. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deragent.devices import AssetKind, Health, Measurement, Nameplate
from deragent.drivers.sunspec.measured_points import (
    INVERTERS,
    STORES,
    MeasuredPoints,
    choose_points,
)
from deragent.drivers.sunspec.model_definitions import COMMON, HEAD, load_definition
from deragent.drivers.sunspec.model_layout import ModelLayout, lay_out
from deragent.drivers.sunspec.model_list import FoundModel
from deragent.drivers.sunspec.power_control import FORMS, GREATEST, PowerControl, choose_control
from deragent.modbus_tcp.read_plan import RegisterImage, Span

ROLE = 715
"""The model that says who has control, and takes the controller's heartbeat."""

USED = frozenset(
    {
        COMMON,
        ROLE,
        *INVERTERS,
        *STORES,
        *(form.model_id for form in FORMS),
        *(model_id for model_id, _path in GREATEST),
    }
)
"""Models that the driver reads; it skips all others."""

_ALARMS = {701: "Alrm", **dict.fromkeys((101, 102, 103, 111, 112, 113), "Evt1")}
LOCAL = "LOCAL"
HEARTBEAT = "ControllerHb"


@dataclass(frozen=True, slots=True)
class DeviceMap:
    """What a device offers."""

    nameplate: Nameplate
    points: MeasuredPoints
    control: PowerControl | None
    role: ModelLayout | None

    def spans(self) -> Iterator[Span]:
        """What must be read for a measurement, with its faults and who has control."""
        yield from self.points.spans()
        yield from self.points.inverter.spans(_ALARMS[self.points.inverter.model_id])
        if self.role is not None:
            yield from self.role.spans("LocRemCtl")

    def measure(self, image: RegisterImage) -> Measurement:
        """What the registers say."""
        reading = self.points.measure(image)
        faults = self._faults(image)
        local = self.role is not None and self.role.symbol("LocRemCtl", image) == LOCAL
        return Measurement(
            reading.p_mw,
            reading.q_mvar,
            reading.soc,
            reading.voltage_v,
            reading.frequency_hz,
            reading.status,
            health=Health.DEGRADED if faults else Health.OK,
            fault=", ".join(faults),
            local=local,
        )

    def _faults(self, image: RegisterImage) -> list[str]:
        inverter = self.points.inverter
        path = _ALARMS[inverter.model_id]
        bits = inverter.value(path, image)
        if not isinstance(bits, int):
            return []
        symbols = inverter.points[path].definition.symbols
        return [
            symbols.get(bit, f"alarm {bit}").lower().replace("_", " ")
            for bit in range(32)
            if bits >> bit & 1
        ]

    def heartbeat(self, image: RegisterImage) -> Span | None:
        """Where the controller's heartbeat is written, 2 registers; None if the device has none."""
        if self.role is None or self.role.value(HEARTBEAT, image) is None:
            return None
        return self.role.points[HEARTBEAT].span


def whole(model: FoundModel) -> Span:
    """The registers of a model."""
    return Span(model.address, HEAD + model.length)


def read_map(
    models: Sequence[FoundModel], image: RegisterImage, kind: AssetKind
) -> DeviceMap | None:
    """What the device offers; None if it does not measure power.

    ``image`` has the models of ``USED``, each in one part. Of several of a kind the first counts.
    """
    layouts: dict[int, ModelLayout] = {}
    for model in models:
        definition = load_definition(model.model_id) if model.model_id in USED else None
        if definition is not None and model.model_id not in layouts:
            layout = lay_out(definition, model.address, model.length, image)
            layouts[model.model_id] = layout
    points = choose_points([*layouts.values()])
    if points is None:
        return None
    control = choose_control(layouts, image, kind)
    return DeviceMap(_nameplate(layouts, image, control), points, control, layouts.get(ROLE))


def _nameplate(
    layouts: Mapping[int, ModelLayout], image: RegisterImage, control: PowerControl | None
) -> Nameplate:
    common = layouts.get(COMMON)

    def said(path: str) -> str:
        value = None if common is None else common.value(path, image)
        return value if isinstance(value, str) else ""

    rated_mw = None if control is None else control.most_mw
    return Nameplate(said("Mn"), said("Md"), said("SN"), said("Vr"), rated_mw)

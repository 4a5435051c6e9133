"""Which points of a device an agent measures, and the measurement that they make. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deragent.devices import Measurement, OperatingState
from deragent.drivers.sunspec.model_layout import ModelLayout
from deragent.modbus_tcp.read_plan import RegisterImage, Span

INVERTERS = (701, 103, 102, 101, 113, 112, 111)
"""Models with power at the terminals. The first that a device has counts."""
STORES = (713, 802, 124)
"""Models with the state of charge, likewise."""

_POINTS: Mapping[int, tuple[str, str, str, str, tuple[str, ...]]] = {
    **dict.fromkeys((101, 102, 103, 111, 112, 113), ("W", "VAr", "PhVphA", "Hz", ("St",))),
    701: ("W", "Var", "LNV", "Hz", ("InvSt", "St")),
}
"""Active power, reactive power, voltage, frequency, and the state, which may be in several."""
_CHARGE = {713: "SoC", 802: "SoC", 124: "ChaState"}
_STATES = {
    "OFF": OperatingState.OFF,
    "ON": OperatingState.RUNNING,
    "SLEEPING": OperatingState.STANDBY,
    "STANDBY": OperatingState.STANDBY,
    "SHUTTING_DOWN": OperatingState.STANDBY,
    "STARTING": OperatingState.STARTING,
    "MPPT": OperatingState.RUNNING,
    "RUNNING": OperatingState.RUNNING,
    "THROTTLED": OperatingState.CURTAILED,
    "FAULT": OperatingState.FAULT,
}
MEGA = 1e6
PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class MeasuredPoints:
    """The models that a device is measured by."""

    inverter: ModelLayout
    store: ModelLayout | None

    def spans(self) -> Iterator[Span]:
        """What must be read for a measurement."""
        power, reactive, voltage, frequency, states = _POINTS[self.inverter.model_id]
        for path in (power, reactive, voltage, frequency, *states):
            yield from self.inverter.spans(path)
        if self.store is not None:
            yield from self.store.spans(_CHARGE[self.store.model_id])

    def measure(self, image: RegisterImage) -> Measurement:
        """What the registers say. Power is positive for generation in SunSpec, too."""
        power, reactive, voltage, frequency, states = _POINTS[self.inverter.model_id]
        soc = None
        if self.store is not None:
            soc = _number(self.store, _CHARGE[self.store.model_id], image, PERCENT)
        return Measurement(
            p_mw=_number(self.inverter, power, image, MEGA),
            q_mvar=_number(self.inverter, reactive, image, MEGA),
            soc=soc if soc is not None and 0.0 <= soc <= 1.0 else None,
            voltage_v=_number(self.inverter, voltage, image),
            frequency_hz=_number(self.inverter, frequency, image),
            status=_state(self.inverter, states, image),
        )


def choose_points(models: Sequence[ModelLayout]) -> MeasuredPoints | None:
    """The models to measure by; None if the device has none with its power."""
    by_id = {layout.model_id: layout for layout in reversed(models)}
    inverter = next((by_id[each] for each in INVERTERS if each in by_id), None)
    if inverter is None:
        return None
    return MeasuredPoints(inverter, next((by_id[each] for each in STORES if each in by_id), None))


def _number(
    layout: ModelLayout, path: str, image: RegisterImage, parts: float = 1.0
) -> float | None:
    value = layout.value(path, image)
    return value / parts if isinstance(value, int | float) else None


def _state(layout: ModelLayout, paths: Iterable[str], image: RegisterImage) -> OperatingState:
    for path in paths:
        name = layout.symbol(path, image)
        if name is not None:
            # Model 111 spells its states with a prefix.
            return _STATES.get(name.removeprefix("gg"), OperatingState.UNSPECIFIED)
    return OperatingState.UNSPECIFIED

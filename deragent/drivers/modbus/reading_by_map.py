"""What a device's registers say by its map: measurement, faults, identity. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from deragent.devices import Health, Measurement, Nameplate, OperatingState
from deragent.drivers.modbus.mapped_values import MappedPoint, Raw
from deragent.drivers.modbus.register_map import NAMES, DeviceHeartbeat, RegisterMap
from deragent.modbus_tcp.read_plan import RegisterImage, Span


def measured_spans(map: RegisterMap) -> Iterator[Span]:
    """What must be read for a measurement."""
    for point in map.measured.values():
        yield point.span
    for given in (map.status, map.local):
        if given is not None:
            yield given[0].span
    for alarm in map.alarms:
        yield alarm.point.span
    if map.heartbeat is not None:
        yield map.heartbeat.point.span


def identity_spans(map: RegisterMap) -> Iterator[Span]:
    """What must be read to know which device it is."""
    for check in map.identity.values():
        yield check.point.span


def nameplate_spans(map: RegisterMap) -> Iterator[Span]:
    """What must be read to know what the device says of itself."""
    for point in map.nameplate.points.values():
        yield point.span
    if isinstance(map.nameplate.rated_mw, MappedPoint):
        yield map.nameplate.rated_mw.span


@dataclass(slots=True)
class HeartbeatWatch:
    """Whether a device's heartbeat still changes. The time is passed in."""

    heartbeat: DeviceHeartbeat
    _last: Raw | None = None
    _changed_s: float | None = None

    def fault(self, image: RegisterImage, now_s: float) -> str:
        """The fault in words; empty if there is none."""
        raw = self.heartbeat.point.raw(image)
        if self._changed_s is None or raw != self._last:
            self._last, self._changed_s = raw, now_s
        if now_s - self._changed_s > self.heartbeat.within_s:
            return f"its heartbeat stands still for {now_s - self._changed_s:.0f} s"
        return ""


def measure_by_map(
    map: RegisterMap, image: RegisterImage, watch: HeartbeatWatch | None, now_s: float
) -> Measurement:
    """What the registers say."""
    values = {name: point.value(image) for name, point in map.measured.items()}
    soc = values.get("soc")
    faults = [*_alarms(map, image)]
    if watch is not None and (stands := watch.fault(image, now_s)):
        faults.append(stands)
    local = map.local is not None and map.local[0].raw(image) in map.local[1]
    return Measurement(
        p_mw=values.get("p_mw"),
        q_mvar=values.get("q_mvar"),
        soc=soc if soc is not None and 0.0 <= soc <= 1.0 else None,
        voltage_v=values.get("voltage_v"),
        frequency_hz=values.get("frequency_hz"),
        status=_status(map, image),
        health=Health.DEGRADED if faults else Health.OK,
        fault=", ".join(faults),
        local=local,
    )


def _status(map: RegisterMap, image: RegisterImage) -> OperatingState:
    if map.status is None:
        return OperatingState.UNSPECIFIED
    raw = map.status[0].raw(image)
    return map.status[1].get(raw if isinstance(raw, int) else -1, OperatingState.UNSPECIFIED)


def _alarms(map: RegisterMap, image: RegisterImage) -> Iterator[str]:
    for alarm in map.alarms:
        raw = alarm.point.raw(image)
        if isinstance(raw, int):
            yield from (words for bit, words in alarm.bits.items() if raw >> bit & 1)
            if raw in alarm.codes:
                yield alarm.codes[raw]


def nameplate_by_map(map: RegisterMap, image: RegisterImage) -> Nameplate:
    """What the device says of itself, and what is known of every such device."""
    plate = map.nameplate

    def said(name: str) -> str:
        point = plate.points.get(name)
        if point is None:
            return plate.texts.get(name, "")
        raw = point.raw(image)
        return "" if raw is None else str(raw)

    rated = plate.rated_mw
    rated_mw = rated.value(image) if isinstance(rated, MappedPoint) else rated
    known_mw = rated_mw if rated_mw is not None and rated_mw > 0 else None
    return Nameplate(**{name: said(name) for name in NAMES}, rated_mw=known_mw)


def strange_identity(map: RegisterMap, image: RegisterImage) -> str:
    """Why this is another device than the map is for, in words; empty if it is not."""
    for name, check in map.identity.items():
        raw = check.point.raw(image)
        if raw not in check.allowed:
            allowed = " or ".join(str(each) for each in check.allowed)
            found = "unknown" if raw is None else repr(raw)
            return f"its {name} at {check.point.span.address} is {found}, and must be {allowed}"
    return ""

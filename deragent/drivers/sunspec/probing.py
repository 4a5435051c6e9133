"""What a SunSpec device offers, for whoever installs it: asked once, and nothing is written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from deragent.devices import AssetKind, DeviceError, Measurement
from deragent.drivers.sunspec.device_map import DeviceMap, read_map
from deragent.drivers.sunspec.measured_points import STORES
from deragent.drivers.sunspec.model_list import FoundModel, NoSunSpecError
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.drivers.sunspec.unit_reader import UnitReader
from deragent.modbus_tcp import ModbusLink, NotReachedError

UNITS = range(1, 248)
"""Units that a Modbus line can have."""
SCAN_ANSWER_S = 0.5
"""Time for a unit to answer while others are looked for, seconds."""


@dataclass(frozen=True, slots=True)
class ProbedUnit:
    """One unit that answered."""

    unit: int
    models: tuple[FoundModel, ...]
    kind: AssetKind
    """What it seems to be: a battery if it has a state of charge, else solar."""
    map: DeviceMap | None
    """None if none of its models measures power."""
    reading: Measurement | None


async def probe_unit(link: ModbusLink, options: SunSpecOptions) -> ProbedUnit:
    """Reads the unit that the options name. Raises: DeviceError."""
    try:
        models, image, _ = await UnitReader(link, options).read_models()
    except NoSunSpecError as wrong:
        raise DeviceError(
            f"{link.name}, unit {options.unit}: no SunSpec device: {wrong}"
        ) from wrong
    stores = any(model.model_id in STORES for model in models)
    kind = AssetKind.BATTERY if stores else AssetKind.SOLAR
    found = read_map(models, image, kind)
    reading = None if found is None else found.measure(image)
    return ProbedUnit(options.unit, models, kind, found, reading)


async def scan_units(link: ModbusLink, options: SunSpecOptions) -> AsyncIterator[ProbedUnit]:
    """Every SunSpec device among the units, as soon as it answers. Raises: NotReachedError."""
    for unit in UNITS:
        try:
            one = replace(options, unit=unit, answer_s=min(SCAN_ANSWER_S, options.answer_s))
            found = await probe_unit(link, one)
        except NotReachedError:
            raise
        except DeviceError:
            continue
        yield found

"""Driver ``modbus``: devices that maps describe, behind links that they share."""

from functools import partial

from deragent.devices import Asset, Device, DeviceConfigError, Driver, Runtime
from deragent.drivers.modbus.map_file import load_map
from deragent.drivers.modbus.map_names import map_path
from deragent.drivers.modbus.mapped_device import MappedDevice
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.modbus_tcp import LINKS, find_link
from derproto.configuration.problems import ConfigError
from derproto.stdio.log_events import event_log

log = event_log(__name__)


async def _open(asset: Asset, options: MappedOptions, runtime: Runtime) -> Device:
    try:
        map = await runtime.run_blocking(partial(load_map, map_path(options.map)))
    except ConfigError as wrong:
        raise DeviceConfigError(str(wrong)) from wrong
    if options.serial is not None and "serial" not in {*map.nameplate.points, *map.nameplate.texts}:
        text = f"the map {options.map} does not say where it is; add nameplate.serial to the map"
        raise DeviceConfigError(f"asset {asset.name}: device.serial: {text}")
    if map.command is not None and map.command.watchdog is None:
        log.warning(
            "device has no reversion timer: it keeps its setpoint if its agent dies",
            asset=asset.id,
            steered=options.allow_no_reversion,
        )
    return MappedDevice(asset, options, map, await find_link(asset, options, runtime), LINKS)


MODBUS = Driver(
    summary="a meter, an inverter or a battery whose registers a map describes, over Modbus TCP",
    options=MappedOptions,
    open=_open,
)

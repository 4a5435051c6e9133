"""A port of loopback for each simulated asset, and the fleet whose agents find them there.

serve_inverters
├ ServedInverter.run  of each asset: the device, and the end of its commands
└ serve_listeners     of each asset
  └ converse            one connection
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import trio

from deragent.devices import open_device
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import DeviceSpec, Fleet
from launcher.inverters.inverter_registers import serial_of
from launcher.inverters.modbus_service import ModbusService
from launcher.inverters.served_inverter import ServedInverter

SERVED = frozenset({"simulated", "replay"})
"""Drivers whose devices can be served."""
REVERSION_S = 60
"""Time after which a served device ends a command whose agent is silent."""
LOOPBACK = "127.0.0.1"


async def serve_inverters(fleet: Fleet, runtime: Runtime, nursery: trio.Nursery) -> dict[str, int]:
    """Serves each simulated asset in the nursery; returns their ports, by asset id.

    Raises: DeviceConfigError; OSError, if no port can be had.
    """
    ports = {}
    for asset in fleet.assets.values():
        if asset.device.driver not in SERVED:
            continue
        inverter = ServedInverter(asset, await open_device(asset, runtime))
        listeners = await trio.open_tcp_listeners(0, host=LOOPBACK)
        ports[asset.id] = listeners[0].socket.getsockname()[1]
        nursery.start_soon(inverter.run)
        nursery.start_soon(trio.serve_listeners, ModbusService(inverter).converse, listeners)
    return ports


def with_inverters(fleet: Fleet, ports: Mapping[str, int]) -> Fleet:
    """The fleet in which those assets are SunSpec devices at their ports."""
    assets = dict(fleet.assets)
    for asset_id, port in ports.items():
        asset = assets[asset_id]
        options = {
            "host": f"{LOOPBACK}:{port}",
            "serial": serial_of(asset),
            "reversion_s": REVERSION_S,
        }
        device = DeviceSpec("sunspec", MappingProxyType(options))
        assets[asset_id] = replace(asset, device=device)
    return Fleet(fleet.sites, MappingProxyType(assets))

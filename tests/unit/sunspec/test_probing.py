"""What a probe finds behind a gateway; it writes nothing."""

import sys

import pytest
import trio
from trio.testing import MockClock

from deragent.devices import Address, AssetKind, DeviceError
from deragent.drivers.sunspec.probing import probe_unit, scan_units
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import LinkAddress, ModbusLink, NotReachedError
from deragent.probe import assets_of, shape_of_unit, text_of
from derproto.stdio.terminal import rendered
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.sunspec_unit import BATTERY, SunSpecUnit

WHERE = Address("gateway", 502)
OPTIONS = SunSpecOptions(host=WHERE)
SUN = {
    1: {**BATTERY[1], "SN": "0007"},
    103: {"W": 1200, "W_SF": 3, "Hz": 5000, "Hz_SF": -2, "PhVphA": 230, "V_SF": 0, "St": 4},
}


def stranger() -> SunSpecUnit:
    """A unit without a SunSpec map."""
    unit = SunSpecUnit()
    unit.data[:4] = b"none"
    return unit


async def test_a_scan_finds_every_sunspec_unit_of_a_gateway(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    units = {3: SunSpecUnit(), 40: SunSpecUnit(SUN), 41: stranger()}
    link = ModbusLink("gateway:502", ModbusServer(units, nursery).dial)
    found = [each async for each in scan_units(link, OPTIONS)]
    assert [(each.unit, each.kind) for each in found] == [
        (3, AssetKind.BATTERY),
        (40, AssetKind.SOLAR),
    ]
    assert all(not unit.writes for unit in units.values())
    battery, solar = map(shape_of_unit, found)
    assert battery["control"] == {
        "model": 704,
        "point": "WSet",
        "reversion_timer": True,
        "most_mw": 2.0,
    }
    assert (solar["control"], solar["reading"]["p_mw"]) == (None, 1.2)
    text = assets_of(found, LinkAddress(WHERE))
    assert text is not None
    assert text.startswith("# Correct what is a guess: energy_mwh, kind, rated_mw.")
    shown = rendered(sys.stdout, *text_of(found[1], WHERE))
    assert "now: 1.2 MW, 230 V, 50 Hz, running\ncontrol: none" in shown


async def test_a_probe_says_what_is_wrong(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    server = ModbusServer({1: stranger()}, nursery)
    link = ModbusLink("gateway:502", server.dial)
    with pytest.raises(DeviceError, match="gateway:502, unit 1: no SunSpec device: 'SunS' stands"):
        await probe_unit(link, OPTIONS)
    server.mood = "away"
    with pytest.raises(NotReachedError):
        _ = [each async for each in scan_units(ModbusLink("gateway", server.dial), OPTIONS)]

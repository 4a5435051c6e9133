"""What a probe shows of a device by a map; it writes nothing."""

import json
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from deragent.cli import main
from deragent.devices import Address, AssetKind
from deragent.drivers.modbus.map_file import load_map
from deragent.drivers.modbus.mapped_options import MappedOptions
from deragent.drivers.modbus.mapped_probe import MappedProbe, named_points, probe_by_map
from deragent.map_probe import assets_of_map, shape_of_map, text_of_map
from deragent.modbus_tcp import LinkAddress, ModbusLink
from derproto.configuration.assets_file import load_fleet
from derproto.stdio.terminal import rendered
from tests.support.modbus.mapped_battery import MAP, MappedBattery
from tests.support.modbus.modbus_server import ModbusServer
from tests.support.modbus.register_unit import INPUT

WHERE = Address("gateway", 502)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The battery's map."""
    file = tmp_path / "battery.yaml"
    file.write_text(MAP)
    return file


async def probed(battery: MappedBattery, file: Path, nursery: trio.Nursery) -> MappedProbe:
    link = ModbusLink("gateway:502", ModbusServer({7: battery.unit}, nursery).dial)
    return await probe_by_map(link, MappedOptions(host=WHERE, unit=7, map=file), load_map(file))


async def test_a_probe_shows_each_point_of_the_map(
    autojump_clock: MockClock, nursery: trio.Nursery, file: Path
) -> None:
    battery = MappedBattery()
    battery.unit.put(0x16, [0xFFFF], INPUT)
    found = await probed(battery, file, nursery)
    assert not battery.unit.writes
    text = rendered(sys.stdout, *text_of_map(found, WHERE, 7))
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert text.startswith("Acme B-3, serial 0042, at gateway:502, unit 7\n")
    assert rows["measures.soc"][1:] == ["19", "input", "uint16", "610", "61", "%"]
    assert rows["measures.voltage_v"][4] == "unknown"
    assert "123456 Wh" in text
    assert "another device" not in text
    shape = json.loads(json.dumps(shape_of_map(found, 7)))
    assert (shape["kind"], shape["identity"], shape["reading"]["soc"]) == ("battery", None, 0.61)
    assert len(shape["points"]) == len(list(named_points(found.map)))


async def test_the_assets_file_of_a_probe_is_a_good_one(
    autojump_clock: MockClock, nursery: trio.Nursery, file: Path, tmp_path: Path
) -> None:
    found = await probed(MappedBattery(), file, nursery)
    assets = tmp_path / "assets.yaml"
    assets.write_text(assets_of_map(found, LinkAddress(WHERE), 7, file))
    [asset] = load_fleet(assets).assets.values()
    assert (asset.kind, asset.rated_mw) == (AssetKind.BATTERY, 2.0)
    assert asset.device is not None
    assert asset.device.driver == "modbus"
    assert dict(asset.device.options) == {
        "host": "gateway:502",
        "unit": 7,
        "map": str(file),
        "serial": "0042",
    }


async def test_a_probe_tells_of_another_device_and_of_registers_that_are_missing(
    autojump_clock: MockClock, nursery: trio.Nursery, file: Path
) -> None:
    battery = MappedBattery()
    battery.unit.put(110, [9])
    del battery.unit.tables[INPUT][0x12]
    found = await probed(battery, file, nursery)
    assert found.reading.q_mvar is None
    assert found.reading.soc == 0.61
    assert found.strange == "its product code at 110 is 9, and must be 731 or 732"
    assert f"another device than the map is for: {found.strange}" in rendered(
        sys.stdout, *text_of_map(found, WHERE, 7)
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--map", "eastron_sdm360"), "--map: there is no map"),
        (("--map", "eastron_sdm630", "--scan"), "--scan: a map is of one unit; write --unit N"),
    ],
)
def test_a_wrong_flag_is_named_with_its_remedy(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", "127.0.0.1:1", *arguments]) == 2
    assert said in capsys.readouterr().err

"""Every mistake in a map is told with its line and its remedy, all of them at once."""

from pathlib import Path

import pytest

import deragent.cli
from deragent.drivers.modbus.map_file import load_map
from deragent.drivers.modbus.map_names import FOLDER, MAP, SHIPPED
from derproto.configuration.problems import ConfigError
from tests.support.modbus.mapped_battery import MAP as BATTERY


def mistakes(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "map.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        load_map(file)
    return str(told.value).replace(f"{tmp_path}/", "").splitlines()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("source: Acme, B-3 register table, edition 4", "", "source: missing; write the document"),
        ("  p_mw:", "  p_nw:", "measures.p_nw: unknown key; did you mean p_mw?"),
        ("type: int16, scale: 0.1, unit: kvar", "scale: 0.1, unit: kvar", "type: missing; write"),
        ("type: float32", "type: float33", "there is no type 'float33'; did you mean float32?"),
        ("unit: kvar", "unit: kW", "q_mvar.unit: there is no unit 'kW'; there are: var,"),
        ("scale: 0.1, unit: kvar", "scale: 0, unit: kvar", "scale: 0 makes every value 0; write"),
        ("unit: kvar, sign: generation", "unit: kvar", "sign: missing; write what positive"),
        ("address: 0x14", "address: 65535", "2 registers from 65535 reach beyond 65535"),
        ("address: 0x14", "address: 0x1ffff", "is not a whole number; write a whole number from 0"),
        ("type: text, length: 4", "type: text", "serial.length: missing; write the registers"),
        ("{0: off, 3: running", "{0: off, 3: runing", "there is no state 'runing'; did you mean"),
        ("bits: {0: over", "bits: {64: over", "bits.64: '64' is no number of a value; write 0 to"),
        ("type: uint16, within_s", "type: float32, within_s", "float32 has no codes; write a type"),
        ("  release:", "  releases:", "command.release: missing; write what returns the device"),
        ("identity:", "identities:", "identity: missing; a map that steers needs it"),
        (
            "registers: holding, address: 202",
            "registers: input, address: 202",
            "input registers cannot be written; write registers: holding",
        ),
        ("type: uint16, value: 1}", "type: uint16, value: 70000}", "does not fit into uint16"),
        ("min_mw: -2", "min_mw: 3", "3 is above max_mw 2; exchange them"),
        ("count_to: 9", "count_to: 9, value: 1", "write either value: or count_to:"),
        ("most_registers: 60", "most_registers: 200", "200 is out of range; write a whole number"),
        ("  limits:", "  kinds: batery\n  limits:", "no kind 'batery'; did you mean battery?"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    before, found, after = BATTERY.partition(old)
    assert found
    told = mistakes(tmp_path, before + new + after)
    assert any(said in line for line in told), told
    assert all(line.startswith("map.yaml:") for line in told)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = BATTERY.replace("unit: kvar", "unit: kW").replace("is: [731, 732]", "must: 731")
    assert mistakes(tmp_path, text.replace("period_s: 30", "period_s: 0")) == [
        "map.yaml:12: identity.product code.must: unknown key; there are: address, type, "
        "registers, word_order, length, is",
        "map.yaml:12: identity.product code.is: missing; write the value, or a list of values, "
        "that only such a device has",
        "map.yaml:15: measures.q_mvar.unit: there is no unit 'kW'; there are: var, kvar, Mvar",
        "map.yaml:37: command.watchdog.period_s: 0 is out of range; write a number of at least 1 "
        "and up to 86400, in s",
    ]


@pytest.mark.parametrize("text", ["", "[]", "measures: [", "source: {a: 1}\nmeasures: 3\n"])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_the_maps_that_ship_are_those_in_the_folder() -> None:
    assert sorted(file.stem for file in FOLDER.iterdir()) == list(SHIPPED)
    for name in SHIPPED:
        assert load_map(FOLDER / f"{name}.yaml").source


def test_an_unknown_name_is_told_with_the_names() -> None:
    with pytest.raises(ValueError, match="no map 'sdm630'; did you mean eastron_sdm630"):
        MAP.parse("sdm630")


ASSETS = """\
sites:
  - {id: 5b0c6a52-7f0e-4c39-8f4b-3a1c7d0e9a01, name: North}
assets:
  - id: 0d7c0a5e-5d7a-4b8e-9f5c-6f2f9f2a8b02
    name: Store
    site: North
    kind: battery
    rated_mw: 2
    energy_mwh: 4
    device: {driver: modbus, host: "127.0.0.1:502", map: acme.yaml}
"""


def test_check_tells_mistakes_of_a_map_and_names_a_map_without_a_watchdog(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    assets, file = tmp_path / "assets.yaml", tmp_path / "acme.yaml"
    assets.write_text(ASSETS, encoding="utf-8")
    flags = ["check", "--assets", str(assets), "--asset", "Store", "--headend", "h:1"]
    file.write_text(BATTERY.replace("unit: kvar", "unit: kW"), encoding="utf-8")
    assert deragent.cli.main(flags) == 2
    assert f"{file}:15: measures.q_mvar.unit: there is no unit 'kW'" in capsys.readouterr().err
    file.write_text(BATTERY.replace("\n  watchdog", "\n# watchdog"), encoding="utf-8")
    assert deragent.cli.main(flags) == 0
    assert "device has no reversion timer" in caplog.text

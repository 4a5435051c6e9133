"""Assets with something wrong: the problem, its line, its advice."""

from pathlib import Path

import pytest

from tests.unit.config.bad_file import OTHER, OTHER_SITE, SITE, one_asset, problems_of

ONE_ASSET = [
    ("rated_mv: 3", "11: assets[0].rated_mv: unknown key; did you mean rated_mw?"),
    (
        "wibble: 3",
        "11: assets[0].wibble: unknown key; there are: id, name, site, kind, rated_mw, limits, "
        "default_mw, tolerance_pct, failsafe, agent, energy_mwh, device, response",
    ),
    ("name: B2", "11: assets[0].name: written twice, first on line 6; keep one of them"),
    (
        "limits: {min_mw: 1, max_mw: -1}",
        "11: assets[0].limits.max_mw: min_mw 1 is above max_mw -1; write limits that hold a range",
    ),
    (
        "limits: {min_mw: -2.5}",
        "11: assets[0].limits.min_mw: -2.5 is beyond rated_mw; write a number from -2 to 2",
    ),
    (
        "limits:\n  max_mw: 2.01",
        "12: assets[0].limits.max_mw: 2.01 is beyond rated_mw; write a number from -2 to 2",
    ),
    (
        "limits: {max: 1}",
        "11: assets[0].limits.max: unknown key; did you mean max_mw?",
    ),
    (
        "limits: 2",
        "11: assets[0].limits: the number 2 is not a mapping; write keys with values",
    ),
    (
        "limits: {min_mw: 1}",
        "5: assets[0].default_mw: 0, which holds if left out, is outside the limits; "
        "write a number from 1 to 2",
    ),
    (
        "default_mw: 3",
        "11: assets[0].default_mw: 3 is outside the limits; write a number from -2 to 2",
    ),
    (
        "default_mw: yes",
        "11: assets[0].default_mw: the text 'yes' is not a number; write a number of at least "
        "-100000 and up to 100000, in MW",
    ),
    (
        "tolerance_pct: 0",
        "11: assets[0].tolerance_pct: 0 is out of range; write a number above 0 and up to 100, "
        "in % of rated_mw",
    ),
    (
        "tolerance_pct: true",
        "11: assets[0].tolerance_pct: true is not a number; write a number above 0 and up to 100, "
        "in % of rated_mw",
    ),
    (
        "failsafe: {after_s: -1, action: relase}",
        "11: assets[0].failsafe.after_s: -1 is out of range; write a number of at least 0 and up "
        "to 31536000, in seconds; 0 = hold until the window ends\n"
        "11: assets[0].failsafe.action: there is no action 'relase'; did you mean release?",
    ),
    (
        "failsafe: [60]",
        "11: assets[0].failsafe: a list is not a mapping; write keys with values",
    ),
    ("failsafe: {after: 9}", "11: assets[0].failsafe.after: unknown key; did you mean after_s?"),
    (
        "agent: north roof",
        "11: assets[0].agent: 'north roof' is not an agent id; write 1 to 64 of A-Z a-z 0-9 . _ -",
    ),
    (
        "agent: 12",
        "11: assets[0].agent: the number 12 is not text; put it in quotes if text is meant",
    ),
    (
        "device: {soc: 0.5}",
        "11: assets[0].device.driver: missing; write driver: simulated, or the driver of the "
        "device",
    ),
    (
        "device: {driver: my driver}",
        "11: assets[0].device.driver: 'my driver' is not a driver's name; write 1 to 64 of "
        "A-Z a-z 0-9 _ . -",
    ),
    (
        "device: {driver: x, unit: 1, unit: 2}",
        "11: assets[0].device.unit: written twice, first on line 11; keep one of them",
    ),
    (
        "device: {driver: x, map: {a: [!sim 1]}}",
        "11: assets[0].device.map.a[0]: a value tagged !sim; write it without the tag",
    ),
    (
        "device: {driver: x, map: &m {a: [*m, *m]}}",
        "11: assets[0].device.map.a[0]: an alias of what it stands in; write the value\n"
        "11: assets[0].device.map.a[1]: an alias of what it stands in; write the value",
    ),
    ("device: simulated", "11: assets[0].device: the text 'simulated' is not a mapping; "
     "write keys with values"),
    ("device: !sim {driver: simulated}", "11: assets[0].device: a value tagged !sim is not a "
     "mapping; write keys with values"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), ONE_ASSET)
def test_a_wrong_asset_is_described_line_by_line(
    tmp_path: Path, changes: str, expected: str
) -> None:
    lines = [f"assets.yaml:{line}" for line in expected.splitlines()]
    assert problems_of(tmp_path, one_asset(changes)) == lines


@pytest.mark.parametrize(
    ("key", "instead", "expected"),
    [
        ("id", "", "6: assets[0].id: missing; paste this line: id: <new 1>"),
        (
            "id",
            "id: b-1",
            "11: assets[0].id: 'b-1' is not a UUID; paste this line instead: id: <new 1>",
        ),
        (
            "id",
            "id: [1]",
            "11: assets[0].id: this is not a UUID; paste this line instead: id: <new 1>",
        ),
        (
            "id",
            "id: 00000000000040008000000000000001",
            "11: assets[0].id: '00000000000040008000000000000001' is not a UUID; "
            "paste this line instead: id: <new 1>",
        ),
        (
            "id",
            f"id: {SITE.upper()}",
            f"11: assets[0].id: {SITE} is already on line 2; "
            "paste this line instead: id: <new 1>",
        ),
        (
            "name",
            "name:",
            "11: assets[0].name: missing; write a name that no other asset has",
        ),
        (
            "name",
            f"name: {OTHER}",
            "11: assets[0].name: a UUID cannot be a name, it would pass for an id; "
            "write another name",
        ),
        (
            "name",
            'name: "a\\tb"',
            "11: assets[0].name: 'a\\tb' cannot be a name; write 1 to 100 printable characters, "
            "no space at either end",
        ),
        (
            "name",
            "name: 17",
            "11: assets[0].name: the number 17 is not text; put it in quotes if text is meant",
        ),
        ("site", "", "5: assets[0].site: missing; write the id or the name of the asset's site"),
        ("site", "site: Nroth", "11: assets[0].site: there is no site 'Nroth'; "
         "did you mean North?"),
        ("site", f"site: {OTHER_SITE}", f"11: assets[0].site: there is no site '{OTHER_SITE}'; "
         "there are: North"),
        (
            "kind",
            "",
            "5: assets[0].kind: missing; write one of: solar, battery, ev_charger, load, generator",
        ),
        ("kind", "kind: batery", "11: assets[0].kind: there is no kind 'batery'; "
         "did you mean battery?"),
        ("rated_mw", "", "5: assets[0].rated_mw: missing; write the asset's greatest power, in MW"),
        (
            "rated_mw",
            "rated_mw: 0",
            "11: assets[0].rated_mw: 0 is out of range; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "rated_mw",
            "rated_mw: .nan",
            "11: assets[0].rated_mw: nan is not a finite number; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "rated_mw",
            "rated_mw: 1e999",
            "11: assets[0].rated_mw: inf is not a finite number; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "rated_mw",
            "rated_mw: true",
            "11: assets[0].rated_mw: true is not a number; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "rated_mw",
            'rated_mw: "2"',
            "11: assets[0].rated_mw: the text '2' is not a number; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "rated_mw",
            "rated_mw: 5 MW",
            "11: assets[0].rated_mw: the text '5 MW' is not a number; "
            "write a number above 0 and up to 100000, in MW",
        ),
        (
            "energy_mwh",
            "",
            "5: assets[0].energy_mwh: missing; write the battery's usable energy, in MWh",
        ),
        (
            "energy_mwh",
            "energy_mwh: -1",
            "11: assets[0].energy_mwh: -1 is out of range; "
            "write a number above 0 and up to 10000000, in MWh",
        ),
    ],
)  # fmt: skip
def test_a_key_left_out_or_wrong(tmp_path: Path, key: str, instead: str, expected: str) -> None:
    text = one_asset(instead, without=(key,))
    assert problems_of(tmp_path, text) == [f"assets.yaml:{expected}"]

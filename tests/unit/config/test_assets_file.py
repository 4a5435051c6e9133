"""Bad and good assets files: every problem, its line, its advice."""

from itertools import count
from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import AssetKind, Failsafe, FailsafeAction, Limits
from derproto.configuration.problems import ConfigError

SITE = "00000000-0000-4000-8000-0000000000a1"
OTHER_SITE = "00000000-0000-4000-8000-0000000000a2"
ASSET = "00000000-0000-4000-8000-0000000000b1"
OTHER = "00000000-0000-4000-8000-0000000000b2"


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """The problem lines of a file, without its folder; new ids count from 1."""
    path = tmp_path / "assets.yaml"
    path.write_text(text, encoding="utf-8")
    ids = count(1)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path, new_id=lambda: f"<new {next(ids)}>")
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


def one_asset(changes: str, *, without: tuple[str, ...] = (), kind: str = "battery") -> str:
    """A file with one site and one asset, on lines 5 to 10; ``changes`` stand from line 11."""
    lines = {
        "id": f"    id: {ASSET}",
        "name": "    name: B1",
        "site": "    site: North",
        "kind": f"    kind: {kind}",
        "rated_mw": "    rated_mw: 2",
        "energy_mwh": "    energy_mwh: 4" if kind == "battery" else "    # not a battery",
    }
    body = [f"    # {key}" if key in without else line for key, line in lines.items()]
    added = [f"    {line}" for line in changes.splitlines()]
    return "\n".join(
        ["sites:", f"  - {{id: {SITE}, name: North}}", "assets:", "  -", *body, *added, ""]
    )


ONE_ASSET = [
    ("rated_mv: 3", "11: assets[0].rated_mv: unknown key; did you mean rated_mw?"),
    (
        "wibble: 3",
        "11: assets[0].wibble: unknown key; there are: id, name, site, kind, rated_mw, limits, "
        "default_mw, tolerance_pct, failsafe, agent, energy_mwh, device",
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
        "device: {driver: simulatd}",
        "11: assets[0].device.driver: there is no driver 'simulatd'; did you mean simulated?",
    ),
    (
        "device: {driver: sunspec, unit: 1}",
        "11: assets[0].device.driver: driver sunspec is not available in this version; "
        "use simulated or replay",
    ),
    (
        "device: {soc: 0.5}",
        "11: assets[0].device.driver: missing; write driver: simulated or driver: replay",
    ),
    (
        "device: {driver: simulated, soc: 1.1, efficency: 0.9}",
        "11: assets[0].device.efficency: unknown key; did you mean efficiency?\n"
        "11: assets[0].device.soc: 1.1 is out of range; write a number of at least 0 and up to 1",
    ),
    (
        "device: {driver: simulated, seed: 1.5}",
        "11: assets[0].device.seed: the number 1.5 is not a whole number; write a whole number "
        "from 0 to 999999999999999999",
    ),
    (
        "device: {driver: replay}",
        "11: assets[0].device.driver: replay is for kind solar, not battery; "
        "use driver: simulated",
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            [
                "assets.yaml:1: sites: missing; add a list with at least one item, such as: "
                "- {id: …, name: North}",
                "assets.yaml:1: assets: missing; add a list with at least one item, such as: "
                "- {id: …, name: Roof, site: North, kind: solar, rated_mw: 5}",
            ],
        ),
        (
            f"sites: [{{id: {SITE}, name: North}}]\nassets: []\n",
            [
                "assets.yaml:2: assets: empty; add a list with at least one item, such as: "
                "- {id: …, name: Roof, site: North, kind: solar, rated_mw: 5}",
            ],
        ),
        (
            f"site:\nsites: [{{id: {SITE}, name: North}}]\nassets: [7]\n",
            [
                "assets.yaml:1: site: unknown key; did you mean sites?",
                "assets.yaml:3: assets[0]: the number 7 is not a mapping; write keys with values",
            ],
        ),
        (
            "sites: North\nassets: {a: 1}\n",
            [
                "assets.yaml:1: sites: the text 'North' is not a list; "
                "add a list with at least one item, such as: - {id: …, name: North}",
                "assets.yaml:2: assets: a mapping is not a list; add a list with at least one "
                "item, such as: - {id: …, name: Roof, site: North, kind: solar, rated_mw: 5}",
            ],
        ),
    ],
)
def test_a_file_without_lists(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert problems_of(tmp_path, text) == expected


def test_all_problems_come_at_once_in_the_files_order(tmp_path: Path) -> None:
    text = f"""\
sites:
  - {{id: {SITE}, name: North, timezone: America/Denvr}}
  - {{name: North, agent: a b}}
assets:
  - {{id: {ASSET}, name: One, site: Nort, kind: solar, rated_mw: -1}}
  - {{id: {ASSET.upper()}, name: One, site: North, kind: load, rated_mw: 1, energy_mwh: 2}}
  - {{name: Two, site: {SITE.upper()}, kind: ev_charger, rated_mw: 1, limits: {{max_mw: 2}}}}
"""
    assert problems_of(tmp_path, text) == [
        "assets.yaml:2: sites[0].timezone: there is no time zone 'America/Denvr'; write an IANA "
        "name such as America/Denver; did you mean America/Denver?",
        "assets.yaml:3: sites[1].id: missing; paste this line: id: <new 1>",
        "assets.yaml:3: sites[1].name: 'North' is already on line 2; write another name",
        "assets.yaml:3: sites[1].agent: 'a b' is not an agent id; "
        "write 1 to 64 of A-Z a-z 0-9 . _ -",
        "assets.yaml:5: assets[0].site: there is no site 'Nort'; did you mean North?",
        "assets.yaml:5: assets[0].rated_mw: -1 is out of range; "
        "write a number above 0 and up to 100000, in MW",
        f"assets.yaml:6: assets[1].id: {ASSET} is already on line 5; "
        "paste this line instead: id: <new 2>",
        "assets.yaml:6: assets[1].name: 'One' is already on line 5; write another name",
        "assets.yaml:6: assets[1].energy_mwh: only a battery has it, not kind load; "
        "remove the line",
        "assets.yaml:7: assets[2].id: missing; paste this line: id: <new 3>",
        "assets.yaml:7: assets[2].limits.max_mw: 2 is beyond rated_mw; write a number from -1 to 1",
    ]


def test_a_site_with_a_wrong_id_is_still_known_to_its_assets(tmp_path: Path) -> None:
    text = f"""\
sites: [{{id: north-1, name: North}}]
assets:
  - {{id: {ASSET}, name: One, site: North, kind: solar, rated_mw: 1}}
  - {{id: {OTHER}, name: Two, site: north-1, kind: solar, rated_mw: 1}}
"""
    assert problems_of(tmp_path, text) == [
        "assets.yaml:1: sites[0].id: 'north-1' is not a UUID; paste this line instead: id: <new 1>"
    ]


def test_doubles_are_told_on_one_line_too(tmp_path: Path) -> None:
    site = f"{{id: {SITE}, name: North}}"
    asset = f"{{id: {ASSET}, name: One, site: North, kind: solar, rated_mw: 1}}"
    assert problems_of(tmp_path, f"sites: [{site}]\nassets: [{asset}, {asset}]\n") == [
        f"assets.yaml:2: assets[1].id: {ASSET} is already on line 2; "
        "paste this line instead: id: <new 1>",
        "assets.yaml:2: assets[1].name: 'One' is already on line 2; write another name",
    ]


def test_the_offered_id_is_one_that_the_file_takes(tmp_path: Path) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(one_asset("", without=("id",)), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_fleet(path)
    offered = str(caught.value).rpartition("line: ")[2]
    path.write_text(one_asset(offered, without=("id",)), encoding="utf-8")
    assert list(load_fleet(path).assets) == [offered.removeprefix("id: ")]


@pytest.mark.parametrize(
    ("kind", "limits", "default_mw"),
    [
        ("solar", Limits(0, 2), None),
        ("generator", Limits(0, 2), 0.0),
        ("battery", Limits(-2, 2), 0.0),
        ("load", Limits(-2, 0), None),
        ("ev_charger", Limits(-2, 0), None),
    ],
)
def test_limits_and_default_left_out_follow_the_kind(
    tmp_path: Path, kind: str, limits: Limits, default_mw: float | None
) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(one_asset("", kind=kind), encoding="utf-8")
    asset = load_fleet(path).assets[ASSET]
    assert (asset.kind, asset.limits) == (AssetKind(kind), limits)
    assert asset.default_mw == default_mw
    assert (asset.tolerance_pct, asset.failsafe) == (5.0, Failsafe())
    assert (asset.device.driver, dict(asset.device.options)) == ("simulated", {})


def test_everything_that_the_file_can_say_is_read(tmp_path: Path) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(
        f"""\
sites:
  - id: {SITE.upper()}
    name: No
    timezone: America/Denver
    agent: north.agent_1
assets:
  - id: {ASSET.upper()}
    name: "17"
    site: {SITE.upper()}
    kind: battery
    rated_mw: 1e1
    limits: {{min_mw: -8}}
    default_mw: -0.5
    tolerance_pct: 2
    failsafe: {{after_s: 0, action: release}}
    agent: own
    energy_mwh: 010
    device: {{driver: simulated, seed: 7, soc: 1, efficiency: .9}}
  - {{id: {OTHER}, name: Roof, site: No, kind: solar, rated_mw: 1,
     device: {{driver: replay, file: days/july.csv}}}}
""",
        encoding="utf-8",
    )
    fleet = load_fleet(path)
    site = fleet.sites[SITE]
    assert (site.id, site.name, site.timezone, site.agent) == (
        SITE,
        "No",
        "America/Denver",
        "north.agent_1",
    )
    battery = fleet.assets[ASSET]
    assert (battery.id, battery.name, battery.site_id) == (ASSET, "17", SITE)
    assert (battery.rated_mw, battery.limits, battery.default_mw) == (10, Limits(-8, 10), -0.5)
    assert (battery.tolerance_pct, battery.energy_mwh, battery.agent) == (2, 10, "own")
    assert battery.failsafe == Failsafe(0, FailsafeAction.RELEASE)
    assert dict(battery.device.options) == {"seed": 7, "soc": 1, "efficiency": 0.9}
    roof = fleet.assets[OTHER]
    assert roof.site_id == SITE
    # Relative to the file, so that every daemon that reads the file means the same one.
    assert dict(roof.device.options) == {"file": str((tmp_path / "days/july.csv").resolve())}
    assert list(fleet.assets) == [ASSET, OTHER]

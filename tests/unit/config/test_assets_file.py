"""Bad and good assets files: all of their problems, and all that they can say."""

from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import AssetKind, Failsafe, FailsafeAction, Limits, StepResponse
from derproto.configuration.problems import ConfigError
from tests.unit.config.bad_file import ASSET, OTHER, SITE, one_asset, problems_of


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
    response: {{dead_time_s: 0.4, time_constant_s: 2, ramp_mw_per_s: .5}}
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
    assert battery.response == StepResponse(0.4, 2.0, 0.5)
    assert dict(battery.device.options) == {"seed": 7, "soc": 1, "efficiency": 0.9}
    roof = fleet.assets[OTHER]
    assert roof.site_id == SITE
    assert dict(roof.device.options) == {"file": "days/july.csv"}
    assert list(fleet.assets) == [ASSET, OTHER]


def test_a_device_of_any_driver_is_taken_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "assets.yaml"
    device = "device: {driver: of.others-1, unit: 3, map: {p: [40083, {scale: .1}]}, none: }"
    path.write_text(one_asset(device), encoding="utf-8")
    spec = load_fleet(path).assets[ASSET].device
    assert spec.driver == "of.others-1"
    assert spec.options == {"unit": 3, "map": {"p": [40083, {"scale": 0.1}]}}
    assert spec.place is not None
    assert (spec.place.file, spec.place.key) == (str(path), "assets[0].device")
    assert spec.place.lines["unit"] == 11


def test_a_response_that_no_device_has_is_refused(tmp_path: Path) -> None:
    text = one_asset("response: {dead_time_s: -1, ramp_mw_per_s: 0, settling_s: 3}")
    assert problems_of(tmp_path, text) == [
        "assets.yaml:11: assets[0].response.settling_s: unknown key; "
        "there are: dead_time_s, time_constant_s, ramp_mw_per_s",
        "assets.yaml:11: assets[0].response.dead_time_s: -1 is out of range; "
        "write a number of at least 0 and up to 86400, in seconds",
        "assets.yaml:11: assets[0].response.time_constant_s: missing; "
        "write what deragent commission measured, in seconds",
        "assets.yaml:11: assets[0].response.ramp_mw_per_s: 0 is out of range; "
        "write a number above 0 and up to 100000, in MW/s",
    ]

"""Drivers are found by their entry points; a section that a driver refuses is told by line."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import deragent.devices.device_drivers
from deragent.devices import (
    AssetKind,
    DeviceConfigError,
    Number,
    Whole,
    check_device,
    driver_names,
    find_driver,
    open_device,
)
from deragent.devices.device_drivers import GROUP
from deragent.devices.driver_options import declared_options
from derproto.base.runtime import virtual_runtime
from derproto.configuration.assets_file import load_fleet
from derproto.configuration.fleet import Asset, DeviceSpec
from tests.support.assets import make_asset
from tests.support.fleets import BATTERY, SITE


def asset_with(kind: AssetKind, driver: str, options: dict[str, object]) -> Asset:
    energy_mwh = 1.0 if kind is AssetKind.BATTERY else None
    return make_asset(kind=kind, energy_mwh=energy_mwh, device=DeviceSpec(driver, options))


def bounded_options() -> Iterator[tuple[str, AssetKind, str, float]]:
    for name in ("replay", "simulated"):
        driver = find_driver(name).driver
        for declared in declared_options(driver.options):
            match declared.option.kind:
                case Number(least=least, most=most) | Whole(least, most):
                    for kind in sorted(declared.option.of & driver.kinds):
                        for bound in (least, most):
                            if abs(bound) < 1e300:
                                yield name, kind, declared.key, bound


@pytest.mark.parametrize(("driver", "kind", "key", "bound"), list(bounded_options()))
async def test_a_driver_takes_the_bounds_that_it_declares(
    driver: str, kind: AssetKind, key: str, bound: float
) -> None:
    asset = asset_with(kind, driver, {key: bound})
    assert check_device(asset) == ()
    await open_device(asset, virtual_runtime(0))


def test_our_drivers_are_installed_like_those_of_others() -> None:
    assert {"replay", "simulated"} <= set(driver_names())
    found = find_driver("simulated")
    assert found.package.startswith("derhead ")
    assert found.driver.summary == "a model of each kind of asset"


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("{driver: simulatd}", "driver: there is no driver 'simulatd'; did you mean simulated?"),
        (
            "{driver: replay}",
            "driver: replay is for kind solar, not battery; write another driver",
        ),
        (
            "{driver: simulated, noon_utc_h: 12}",
            "noon_utc_h: only kind solar has it, not battery; remove the line",
        ),
        (
            "{driver: simulated, soc: 1.1}",
            "soc: 1.1 is out of range; write a number of at least 0 and up to 1",
        ),
    ],
)
def test_a_wrong_section_is_told_with_its_line(tmp_path: Path, device: str, said: str) -> None:
    path = tmp_path / "assets.yaml"
    path.write_text(
        f"sites: [{{id: {SITE}, name: North}}]\n"
        f"assets:\n- {{id: {BATTERY}, name: B, site: North, kind: battery, rated_mw: 2,\n"
        f"   energy_mwh: 4, device: {device}}}\n"
    )
    (problem,) = check_device(load_fleet(path).assets[BATTERY])
    assert str(problem) == f"{path}:4: assets[0].device.{said}"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[EntryPoint]]:
    """The entry points that are found, in place of those that are installed."""
    found: dict[str, list[EntryPoint]] = {}
    monkeypatch.setattr(deragent.devices.device_drivers, "_found", lambda: found)
    return found


def point(value: str, package: str = "pumps") -> EntryPoint:
    made = EntryPoint("pump", value, GROUP)
    dist = SimpleNamespace(name=package, version="1.2")
    return cast(Any, made)._for(dist)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([], "there is no driver 'pump'; none is installed"),
        (
            [point("nowhere:DRIVER")],
            r"driver pump of pumps 1\.2 cannot be imported: ModuleNotFound",
        ),
        ([point("math:pi")], r"driver pump of pumps 1\.2: math:pi is no deragent\.devices\.Driver"),
        ([point("a:B"), point("c:D", "wells")], r"in pumps 1\.2 and in wells 1\.2; uninstall all"),
    ],
)
def test_a_driver_that_cannot_be_had_is_told_with_its_package(
    installed: dict[str, list[EntryPoint]], points: list[EntryPoint], said: str
) -> None:
    if points:
        installed["pump"] = points
    with pytest.raises(DeviceConfigError, match=said):
        find_driver("pump")
    asset = asset_with(AssetKind.LOAD, "pump", {})
    assert [problem.key for problem in check_device(asset)] == ["device.driver"]

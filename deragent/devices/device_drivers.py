"""A driver: what a package offers to the agent, and how the agent finds and uses it.

A package names its drivers in its ``pyproject.toml``; what is named is a ``Driver``. The agent
imports a driver's module only if one of its own assets has that driver.

    [project.entry-points."deragent.drivers"]
    line_battery = "line_battery:DRIVER"
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic

from deragent.devices.device import Device, DeviceConfigError
from deragent.devices.driver_options import O, ReadOptions, declared_options, read_options
from derproto.base.runtime import Runtime
from derproto.configuration.fleet import Asset, AssetKind
from derproto.configuration.problems import Problem, nearest

GROUP = "deragent.drivers"
"""The group of entry points that name drivers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver(Generic[O]):
    """How the agent opens devices of one sort."""

    summary: str
    """The devices that it is for, in a phrase without a full stop."""
    options: type[O]
    """A dataclass, each of whose fields is an ``Option``."""
    open: Callable[[Asset, O, Runtime], Awaitable[Device]]
    """Makes the device of an asset. It reads files at most: an agent also starts while its
    devices are away. Raises: DeviceConfigError."""
    kinds: frozenset[AssetKind] = frozenset(AssetKind)
    """The kinds of assets that it is for."""

    def __post_init__(self) -> None:
        # A wrong declaration is noticed when its module is imported.
        declared_options(self.options)


@dataclass(frozen=True, slots=True)
class InstalledDriver:
    """A driver with the name that ``device.driver`` has, and its package."""

    name: str
    package: str
    """Name and version of the package."""
    driver: Driver[Any]


@cache
def _found() -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found.setdefault(point.name, []).append(point)
    return found


def driver_names() -> tuple[str, ...]:
    """The names of all drivers that are installed, sorted. None of them is imported."""
    return tuple(_found())


@cache
def find_driver(name: str) -> InstalledDriver:
    """The installed driver of that name. Raises: DeviceConfigError, with the remedy."""
    points = _found().get(name, [])
    if not points:
        none = "none is installed; install derhead again (pip install .)"
        advice = nearest(name, driver_names()) if _found() else none
        raise DeviceConfigError(f"there is no driver {name!r}; {advice}")
    packages = sorted({_package(point) for point in points})
    if len(packages) > 1:
        raise DeviceConfigError(
            f"driver {name} is in {' and in '.join(packages)}; uninstall all but one"
        )
    try:
        driver = points[0].load()
    except Exception as wrong:
        raise DeviceConfigError(
            f"driver {name} of {packages[0]} cannot be imported: {wrong!r}; reinstall that package"
        ) from wrong
    if not isinstance(driver, Driver):
        raise DeviceConfigError(
            f"driver {name} of {packages[0]}: {points[0].value} is no deragent.devices.Driver; "
            "upgrade that package"
        )
    return InstalledDriver(name, packages[0], driver)


def _package(point: EntryPoint) -> str:
    return (
        "a package without a name"
        if point.dist is None
        else f"{point.dist.name} {point.dist.version}"
    )


def check_device(asset: Asset) -> tuple[Problem, ...]:
    """Every problem of the asset's ``device`` section, each with its line and its remedy."""
    try:
        return _read(asset, find_driver(asset.device.driver)).problems
    except DeviceConfigError as wrong:
        return (_driver_problem(asset, str(wrong)),)


async def open_device(asset: Asset, runtime: Runtime) -> Device:
    """Opens the asset's device with the driver that its ``device`` section names.

    Raises: DeviceConfigError.
    """
    installed = find_driver(asset.device.driver)
    read = _read(asset, installed)
    if read.options is None:
        lines = "; ".join(f"{problem.key}: {problem.text}" for problem in read.problems)
        raise DeviceConfigError(f"asset {asset.name}: {lines}")
    return await installed.driver.open(asset, read.options, runtime)


def _read(asset: Asset, installed: InstalledDriver) -> ReadOptions[Any]:
    driver = installed.driver
    if asset.kind not in driver.kinds:
        kinds = " or ".join(kind for kind in AssetKind if kind in driver.kinds)
        text = f"{installed.name} is for kind {kinds}, not {asset.kind}; write another driver"
        return ReadOptions(None, (_driver_problem(asset, text),))
    return read_options(driver.options, asset.device, asset.kind)


def _driver_problem(asset: Asset, text: str) -> Problem:
    place = asset.device.place
    if place is None:
        return Problem(None, None, "device.driver", text)
    line = place.lines.get("driver", place.line)
    return Problem(place.file, line, f"{place.key}.driver", text)

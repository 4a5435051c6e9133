"""The installed drivers and their options, for people and as JSON: ``deragent drivers``."""

from collections.abc import Iterable, Iterator

from rich.console import RenderableType

from deragent.devices import DeviceConfigError, InstalledDriver, driver_names, find_driver
from deragent.devices.driver_options import (
    DeclaredOption,
    declared_options,
    default_in_words,
    type_in_words,
)
from derproto.configuration.fleet import AssetKind
from derproto.configuration.kinds import Number, Whole
from derproto.stdio.terminal import columns

EVERY_KIND = "every kind"


def installed_drivers() -> tuple[list[InstalledDriver], list[DeviceConfigError]]:
    """All drivers, and why some cannot be had. Their modules are imported."""
    found, wrong = [], []
    for name in driver_names():
        try:
            found.append(find_driver(name))
        except DeviceConfigError as error:
            wrong.append(error)
    return found, wrong


def rows_of(installed: InstalledDriver) -> Iterator[tuple[str, str, str, str, str]]:
    """Key, kinds of assets, type with unit, default and help of each option, in words."""
    for declared in declared_options(installed.driver.options):
        option = declared.option
        unit = unit_of(declared)
        yield (
            declared.key,
            kinds_in_words(option.of & installed.driver.kinds, installed.driver.kinds),
            type_in_words(option.kind) + (f", {unit}" if unit else ""),
            default_in_words(declared),
            option.help,
        )


def unit_of(declared: DeclaredOption) -> str:
    """The unit of an option's values; empty without one."""
    kind = declared.option.kind
    return kind.unit if isinstance(kind, Number | Whole) else ""


def kinds_in_words(
    kinds: Iterable[AssetKind], every: frozenset[AssetKind] = frozenset(AssetKind)
) -> str:
    """The kinds of assets, in the order of ``AssetKind``."""
    chosen = frozenset(kinds)
    if chosen == every:
        return EVERY_KIND
    return ", ".join(kind for kind in AssetKind if kind in chosen)


def tables_of(drivers: Iterable[InstalledDriver]) -> Iterator[RenderableType]:
    """For each driver a line, and a table of its options."""
    for index, installed in enumerate(drivers):
        if index:
            yield ""
        yield f"{installed.name} ({installed.package}): {installed.driver.summary}"
        yield f"for {kinds_in_words(installed.driver.kinds)}"
        table = columns("OPTION", "OF", "TYPE", "DEFAULT", "MEANING", words=5)
        for row in rows_of(installed):
            table.add_row(*row)
        yield table


def shape_of(installed: InstalledDriver) -> dict[str, object]:
    """A driver as JSON. A bound that does not exist is null, as is a default in words only."""
    driver = installed.driver
    return {
        "name": installed.name,
        "package": installed.package,
        "summary": driver.summary,
        "kinds": [kind for kind in AssetKind if kind in driver.kinds],
        "options": [
            {
                "key": declared.key,
                "kinds": [k for k in AssetKind if k in declared.option.of & driver.kinds],
                "type": type_in_words(declared.option.kind),
                "unit": unit_of(declared) or None,
                **_bounds(declared),
                "required": declared.required,
                "default": _plain(declared.default),
                "default_in_words": default_in_words(declared),
                "help": declared.option.help,
            }
            for declared in declared_options(driver.options)
        ],
    }


def _bounds(declared: DeclaredOption) -> dict[str, float | None]:
    match declared.option.kind:
        case Number(least, most, above):
            return {
                "least": least if least > float("-inf") else None,
                "above": above if above > float("-inf") else None,
                "most": most if most < float("inf") else None,
            }
        case Whole(least, most):
            return {"least": least, "above": None, "most": most}
    return {"least": None, "above": None, "most": None}


def _plain(default: object) -> object:
    return default if default is None or isinstance(default, bool | int | float) else str(default)

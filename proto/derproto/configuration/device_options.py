"""The keys of an asset's ``device`` section, for each driver and kind."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from derproto.configuration.fleet import AssetKind, DeviceSpec
from derproto.configuration.kinds import TEXT, FromText, Kind, Number, Whole, choice
from derproto.configuration.yamlfile import Section

Options = Mapping[str, Kind[object]]

SEED = Whole(0, 10**18 - 1)
RECORD = TEXT
"""A file to which the device writes what it measured and what it was told."""
PATHS = ("file", "record")
"""Keys that are paths, relative to the assets file."""
_EVERY: Options = {"seed": SEED, "record": RECORD}
_HOUR = Number(least=0, most=24, unit="hours UTC")

SIMULATED: Mapping[AssetKind, Options] = {
    AssetKind.SOLAR: {**_EVERY, "noon_utc_h": _HOUR},
    AssetKind.BATTERY: {
        **_EVERY,
        "soc": Number(least=0, most=1),
        "efficiency": Number(least=0.1, most=1),
    },
    AssetKind.LOAD: {**_EVERY, "peak_utc_h": _HOUR},
    AssetKind.EV_CHARGER: _EVERY,
    AssetKind.GENERATOR: {**_EVERY, "ramp_mw_per_s": Number(least=1e-6, unit="MW/s")},
}
REPLAY: Mapping[AssetKind, Options] = {AssetKind.SOLAR: {**_EVERY, "file": TEXT}}
DRIVERS: Mapping[str, Mapping[AssetKind, Options]] = {"simulated": SIMULATED, "replay": REPLAY}


def _driver(text: str) -> str:
    if text == "sunspec":
        raise ValueError(
            f"driver sunspec is not available in this version; use {' or '.join(DRIVERS)}"
        )
    return choice(DRIVERS, "driver").convert(text)


def read_device(section: Section, kind: AssetKind | None, folder: Path) -> DeviceSpec | None:
    """An asset's ``device`` section; None if it is wrong, and then noted.

    ``kind`` is None if the asset's kind is wrong: then the options of every kind pass. Relative
    paths start from ``folder``.
    """
    advice = f"write driver: {' or driver: '.join(DRIVERS)}"
    driver = section.require("driver", FromText(_driver, f"one of: {', '.join(DRIVERS)}"), advice)
    if driver is None:
        return None
    by_kind = DRIVERS[driver]
    if kind is not None and kind not in by_kind:
        kinds = " or ".join(by_kind)
        section.complain(
            "driver", f"{driver} is for kind {kinds}, not {kind}; use driver: simulated"
        )
        return None
    known: dict[str, Kind[object]] = {}
    for of_kind in [by_kind[kind]] if kind is not None else by_kind.values():
        known.update(of_kind)
    section.refuse_unknown(("driver", *known))
    options: dict[str, object] = {}
    for name, option in known.items():
        value = section.optional(name, option)
        if value is not None:
            options[name] = value
    for path in PATHS:
        if path in options:
            options[path] = str((folder / str(options[path])).resolve())
    return DeviceSpec(driver, MappingProxyType(options))

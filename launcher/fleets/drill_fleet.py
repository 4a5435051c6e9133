"""The fleet of a drill that names no file, and devices that keep a record: pure.

Each site has an agent with a solar park, a battery and a generator, all able to generate at the
drill's time of day. Their failsafes differ: the battery goes to 0 MW, the solar park to a fifth of
its rating, and the generator is released.
"""

import uuid
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from derproto.configuration.fleet import (
    Asset,
    AssetKind,
    DeviceSpec,
    Failsafe,
    FailsafeAction,
    Fleet,
    Limits,
    Site,
)

_NAMESPACE = uuid.UUID("7d0c9b52-58b5-5c0e-9a53-1f2e8c6f4a10")

RATED_MW = {AssetKind.SOLAR: 5.0, AssetKind.BATTERY: 2.0, AssetKind.GENERATOR: 1.0}
SOLAR_DEFAULT_MW = 1.0
BATTERY_HOURS = 8.0


def drill_fleet(sites: int, seed: int, failsafe_after_s: float, noon_utc_h: float) -> Fleet:
    """So many sites; the sun is highest at ``noon_utc_h``, hours UTC."""
    made = [
        Site(id=_id(seed, f"site/{number}"), name=f"site-{number:02}", agent=f"agent-{number:02}")
        for number in range(1, sites + 1)
    ]
    assets = [
        _asset(site, kind, seed, failsafe_after_s, noon_utc_h) for site in made for kind in RATED_MW
    ]
    return Fleet(
        MappingProxyType({site.id: site for site in made}),
        MappingProxyType({asset.id: asset for asset in assets}),
    )


def _asset(
    site: Site, kind: AssetKind, seed: int, failsafe_after_s: float, noon_utc_h: float
) -> Asset:
    rated_mw = RATED_MW[kind]
    options: dict[str, object] = {}
    limits, default_mw, action = Limits(0.0, rated_mw), 0.0, FailsafeAction.DEFAULT
    match kind:
        case AssetKind.SOLAR:
            default_mw = SOLAR_DEFAULT_MW
            options["noon_utc_h"] = round(noon_utc_h, 3)
        case AssetKind.BATTERY:
            limits = Limits(-rated_mw, rated_mw)
            options["soc"] = 0.9
        case _:
            action = FailsafeAction.RELEASE
    return Asset(
        id=_id(seed, f"{site.name}/{kind}"),
        name=f"{site.name}-{kind}",
        site_id=site.id,
        kind=kind,
        rated_mw=rated_mw,
        limits=limits,
        default_mw=default_mw,
        failsafe=Failsafe(failsafe_after_s, action),
        energy_mwh=BATTERY_HOURS * rated_mw if kind is AssetKind.BATTERY else None,
        device=DeviceSpec("simulated", MappingProxyType(options)),
    )


def recording(fleet: Fleet, record: Path) -> Fleet:
    """The fleet with simulated devices that keep their record in that file.

    Their own files are named absolutely: the fleet's file of a drill is in another folder.
    """
    assets = {
        asset.id: replace(asset, device=_recording(asset.device, record))
        for asset in fleet.assets.values()
    }
    return Fleet(fleet.sites, MappingProxyType(assets))


def _recording(device: DeviceSpec, record: Path) -> DeviceSpec:
    options = {**device.options, "record": str(record)}
    if "file" in options and device.place is not None:
        options["file"] = str((Path(device.place.file).parent / str(options["file"])).resolve())
    return replace(device, options=MappingProxyType(options))


def _id(seed: int, name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, f"{seed}/{name}"))

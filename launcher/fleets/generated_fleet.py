"""Which assets a generated fleet has: pure.

A larger fleet of the same seed begins with the smaller one. Ids, names and ratings stay, so that
history survives when a fleet grows. Everything about an asset therefore follows from the seed and
the asset's index alone.
"""

import random
import uuid
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

MOST_ASSETS = 100_000
"""Assets of a generated fleet; the file of a larger one is too long for people to read."""
ASSETS_PER_SITE = 10

_NAMESPACE = uuid.UUID("5f2b1c9e-0f0a-5f57-9d43-3c6d2a1be0d7")

_PLACES = (
    *("alder", "aspen", "basin", "bluff", "brook", "canyon", "cedar", "cliff", "coral", "creek"),
    *("delta", "dune", "elm", "fern", "fjord", "ford", "glade", "glen", "grove", "harbor"),
    *("hazel", "heath", "hill", "inlet", "island", "juniper", "lagoon", "lake", "larch", "ledge"),
    *("maple", "marsh", "meadow", "mesa", "moor", "oak", "orchard", "pine", "plain", "pond"),
    *("prairie", "quarry", "ranch", "reef", "ridge", "river", "rowan", "sage", "shoal", "spring"),
    *("spruce", "summit", "terrace", "timber", "tundra", "vale", "valley", "willow", "wood"),
)

# Every kind is among the first five, and in each of the first two sites.
_KINDS = (
    AssetKind.SOLAR,
    AssetKind.BATTERY,
    AssetKind.EV_CHARGER,
    AssetKind.LOAD,
    AssetKind.GENERATOR,
    AssetKind.SOLAR,
    AssetKind.BATTERY,
    AssetKind.EV_CHARGER,
    AssetKind.LOAD,
    AssetKind.SOLAR,
)
_SHORT = {AssetKind.EV_CHARGER: "ev"}

# Typical ratings in distribution grids, MW.
_RATED_MW = {
    AssetKind.SOLAR: (0.25, 0.5, 1.0, 2.0, 3.0, 5.0),
    AssetKind.BATTERY: (0.25, 0.5, 1.0, 2.0, 2.5),
    AssetKind.EV_CHARGER: (0.05, 0.15, 0.3, 0.35),
    AssetKind.LOAD: (0.2, 0.4, 0.8, 1.5),
    AssetKind.GENERATOR: (0.4, 0.8, 1.0, 1.6),
}


def generate(n: int, seed: int = 1) -> Fleet:
    """A fleet of ``n`` simulated assets of all kinds, about ten a site; the seed decides all.

    Raises: ValueError if ``n`` is not 1..MOST_ASSETS.
    """
    if not 1 <= n <= MOST_ASSETS:
        raise ValueError(f"{n} is out of range; write a number from 1 to {MOST_ASSETS}")
    places = _shuffled_places(seed)
    sites: dict[str, Site] = {}
    assets: dict[str, Asset] = {}
    made: dict[tuple[int, AssetKind], int] = {}
    for index in range(n):
        number = _site_number(index)
        site = _site(seed, number, places)
        sites[site.id] = site
        kind = _KINDS[index % len(_KINDS)]
        ordinal = made[number, kind] = made.get((number, kind), 0) + 1
        asset = _asset(
            seed, index, kind, f"{site.name}-{_SHORT.get(kind, kind)}-{ordinal:02}", site
        )
        assets[asset.id] = asset
    return Fleet(MappingProxyType(sites), MappingProxyType(assets))


def _site_number(index: int) -> int:
    """The site of an asset. The first two sites fill in turn, so two assets have two sites."""
    return index % 2 if index < 2 * ASSETS_PER_SITE else index // ASSETS_PER_SITE


def _shuffled_places(seed: int) -> list[str]:
    rng = random.Random(f"{seed}/places")
    # Only random() yields the same values in every version of Python.
    return sorted(_PLACES, key=lambda _place: rng.random())


def _site(seed: int, number: int, places: list[str]) -> Site:
    again, place = divmod(number, len(places))
    name = places[place] if not again else f"{places[place]}{again + 1}"
    return Site(id=str(uuid.uuid5(_NAMESPACE, f"{seed}/site/{number}")), name=name)


def _asset(seed: int, index: int, kind: AssetKind, name: str, site: Site) -> Asset:
    rng = random.Random(f"{seed}/asset/{index}")
    rated_mw = _pick(_RATED_MW[kind], rng)
    options: dict[str, object] = {"seed": int(rng.random() * 2**31)}
    energy_mwh: float | None = None
    if kind is AssetKind.BATTERY:
        energy_mwh = _pick((1.0, 2.0, 4.0), rng) * rated_mw
        options["soc"] = round(0.3 + 0.5 * rng.random(), 2)
        options["efficiency"] = round(0.85 + 0.08 * rng.random(), 3)
    limits, default_mw = _range_mw(kind, rated_mw)
    # A silent headend gives up control of sun and demand.
    own = kind in (AssetKind.SOLAR, AssetKind.LOAD, AssetKind.EV_CHARGER)
    return Asset(
        id=str(uuid.uuid5(_NAMESPACE, f"{seed}/asset/{index}")),
        name=name,
        site_id=site.id,
        kind=kind,
        rated_mw=rated_mw,
        limits=limits,
        default_mw=default_mw,
        failsafe=Failsafe(action=FailsafeAction.RELEASE if own else FailsafeAction.DEFAULT),
        energy_mwh=energy_mwh,
        device=DeviceSpec("simulated", MappingProxyType(options)),
    )


def _pick(values: tuple[float, ...], rng: random.Random) -> float:
    return values[int(rng.random() * len(values))]


def _range_mw(kind: AssetKind, rated_mw: float) -> tuple[Limits, float | None]:
    """The limits of an asset, and its default; None = its own control."""
    match kind:
        case AssetKind.SOLAR:
            return Limits(0.0, rated_mw), None
        case AssetKind.GENERATOR:
            return Limits(0.0, rated_mw), 0.0
        case AssetKind.BATTERY:
            return Limits(-rated_mw, rated_mw), 0.0
        case AssetKind.EV_CHARGER:
            return Limits(-rated_mw, 0.0), None
        case AssetKind.LOAD:
            return Limits(-rated_mw, 0.0), None

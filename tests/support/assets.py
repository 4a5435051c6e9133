"""Assets and fleets in memory, as an assets file would give them."""

from typing import Any

from derproto.configuration.fleet import Asset, AssetKind, Fleet, Limits, Site


def numbered_id(number: int) -> str:
    """A UUID that ends with the number."""
    return f"00000000-0000-4000-8000-{number:012d}"


def make_asset(
    asset_id: str = "a",
    kind: AssetKind = AssetKind.BATTERY,
    low_mw: float = -2.0,
    high_mw: float = 2.0,
    **fields: Any,
) -> Asset:
    """An asset at the site ``site``, named like its id and rated by its wider limit.

    ``fields`` are any fields of ``Asset``, and win.
    """
    given = {
        "name": asset_id,
        "site_id": "site",
        "rated_mw": max(abs(low_mw), abs(high_mw)),
        **fields,
    }
    return Asset(id=asset_id, kind=kind, limits=Limits(low_mw, high_mw), **given)


def make_loads(count: int, site_id: str = "site") -> list[Asset]:
    """So many loads of 1 MW, whose ids and names are their numbers."""
    return [
        make_asset(f"{n}", AssetKind.LOAD, -1.0, 0.0, site_id=site_id, name=f"n{n}")
        for n in range(count)
    ]


def fleet_of(*assets: Asset, site_name: str | None = None) -> Fleet:
    """These assets, and their sites, which are named like their ids unless told otherwise."""
    sites = {id: Site(id, site_name or id) for id in (asset.site_id for asset in assets)}
    return Fleet(sites, {asset.id: asset for asset in assets})

"""The part of the fleet that each caller may see: pure."""

from collections.abc import Collection, Mapping

from derhead.access.roles import Principal
from derproto.configuration.fleet import Fleet, Site

VIEWS = 100
"""Sets of sites whose part of the fleet is cached. When full, the cache is emptied."""


def restrict(fleet: Fleet, sites: Collection[str]) -> Fleet:
    """The sites of these ids or names, and their assets. Unknown sites are left out."""
    named = (fleet.find_site(site) for site in sorted(sites))
    found = {site.id: site for site in named if site is not None}
    assets = (asset for site_id in found for asset in fleet.assets_of(site_id))
    return Fleet(found, {asset.id: asset for asset in assets})


def sees_sites_of(caller: Principal, other: Principal, fleet: Fleet) -> bool:
    """Whether each site that ``other`` sees is one that ``caller`` sees, by id or name."""
    if caller.sites is None or other.sites is None:
        return caller.sites is None
    mine = caller.sites | restrict(fleet, caller.sites).sites.keys()
    found = ((each, fleet.find_site(each)) for each in other.sites)
    return all(each in mine or (site is not None and site.id in mine) for each, site in found)


class VisibleFleets:
    """The part of a fleet that each caller may see, cached by the caller's sites."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._made_of: Mapping[str, Site] = fleet.sites
        self._views: dict[frozenset[str], Fleet] = {}

    def of(self, caller: Principal) -> Fleet:
        """The sites and assets that this caller may see, as they are now."""
        if caller.sites is None:
            return self._fleet
        if self._made_of is not self._fleet.sites:
            self._views.clear()
            self._made_of = self._fleet.sites
        view = self._views.get(caller.sites)
        if view is None:
            if len(self._views) >= VIEWS:
                self._views.clear()
            view = self._views[caller.sites] = restrict(self._fleet, caller.sites)
        return view

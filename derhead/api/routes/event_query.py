"""The query of ``/events``: pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from derhead.events import KINDS, Filter
from derhead.findings import Findings
from derhead.shapes import BadQuery
from derproto.configuration.fleet import Asset, Fleet, Site

T = TypeVar("T", Asset, Site)

PARAMETERS = ("kind", "site_id", "asset_id")
_ID = re.compile(r"[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class UnknownName:
    """The fleet has no such asset or site; ``detail`` names it."""

    detail: str


def read_filter(
    given: Mapping[str, Sequence[str]], fleet: Fleet, *, limited: bool = False
) -> Filter | BadQuery | UnknownName:
    """The filter that the parameters describe.

    ``limited``: the reader may see no more than this fleet.

    Each parameter may be repeated, or list several values separated by commas. Names may contain
    commas, so the whole value is tried as one name first.
    """
    findings = Findings()
    for name in given:
        if name not in PARAMETERS:
            findings.add_unknown(name, "unknown parameter", name, PARAMETERS)
    kinds = [kind for text in given.get("kind", ()) for kind in text.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            findings.add_unknown("kind", f"there is no kind {kind[:40]!r}", kind, KINDS)
    if findings:
        return BadQuery(tuple(findings.listed), findings.more)
    sites = _find_all(given.get("site_id", ()), fleet.find_site)
    if isinstance(sites, str):
        return UnknownName(
            f"no site has the id or name {sites!r}; GET /assets names the site of each"
        )
    assets = _find_all(given.get("asset_id", ()), fleet.find_asset)
    if isinstance(assets, str):
        return UnknownName(f"no asset has the id or name {assets!r}; GET /assets lists them")
    if limited and not sites and not assets:
        of_sites = frozenset(fleet.assets)
        return Filter(frozenset(kinds or KINDS), of_sites, frozenset(fleet.sites))
    return _make(kinds, sites, assets, fleet)


def _make(
    kinds: Sequence[str], sites: Sequence[Site], assets: Sequence[Asset], fleet: Fleet
) -> Filter:
    wanted = frozenset(kinds or KINDS)
    site_ids = frozenset(site.id for site in sites)
    if assets:
        chosen = (each.id for each in assets if not sites or each.site_id in site_ids)
        return Filter(wanted, frozenset(chosen))
    if sites:
        of_sites = (each.id for site_id in site_ids for each in fleet.assets_of(site_id))
        return Filter(wanted, frozenset(of_sites), site_ids)
    return Filter(wanted)


def _find_all(texts: Sequence[str], find: Callable[[str], T | None]) -> list[T] | str:
    """The assets or sites of those names; or the first name that is unknown."""
    found: list[T] = []
    for text in texts:
        whole = find(text)
        names = [] if whole is not None else text.split(",")
        if whole is not None:
            found.append(whole)
        for name in names:
            named = find(name)
            if named is None:
                return name[:80]
            found.append(named)
    return found


def read_last_id(text: str | None) -> int | None:
    """The id of the last event that a reader received; None if the text is not an id."""
    return int(text) if text is not None and _ID.fullmatch(text) else None

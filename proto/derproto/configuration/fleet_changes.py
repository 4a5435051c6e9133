"""What a new ``assets.yaml`` changes in a fleet: pure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from derproto.configuration.changes import ChangedItem, Changes
from derproto.configuration.fleet import Asset, Fleet, Site

NAMED = 10
"""Assets that a reload names as added, as removed and as changed, and sites. When full: the others
of each are counted."""

OPTION_LENGTH = 80
"""Characters of an option of a device that a reload repeats. When full: the rest is cut off."""


@dataclass(frozen=True, slots=True)
class FleetChanges:
    """The assets by which a fleet differs from an earlier one, by id, in the file's order."""

    added: tuple[Asset, ...]
    removed: tuple[Asset, ...]
    changed: tuple[Asset, ...]
    """As they are now."""
    claims: frozenset[str]
    """The assets that an agent may claim now and could not before, or could and may not now."""
    sites_differ: bool
    """Sites came, went or changed."""

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.sites_differ)


def find_changes(before: Fleet, after: Fleet) -> FleetChanges:
    """What ``after`` changes. It walks both fleets: for a large one, call it in a thread."""
    added = [asset for id, asset in after.assets.items() if id not in before.assets]
    removed = [asset for id, asset in before.assets.items() if id not in after.assets]
    kept = [(before.assets[id], now) for id, now in after.assets.items() if id in before.assets]
    reserved = [now.id for was, now in kept if before.agent_of(was) != after.agent_of(now)]
    return FleetChanges(
        added=tuple(added),
        removed=tuple(removed),
        changed=tuple(now for was, now in kept if was != now),
        claims=frozenset([*reserved, *(asset.id for asset in (*added, *removed))]),
        sites_differ=list(before.sites.items()) != list(after.sites.items()),
    )


def describe_changes(before: Fleet, after: Fleet, changes: FleetChanges) -> Changes:
    """The changes for people: in words, and item by item. Call it where ``find_changes`` is."""
    sites = [
        id for id in {**after.sites, **before.sites} if before.sites.get(id) != after.sites.get(id)
    ]
    groups = {
        "added": [_item(each.id, None, _asset(each)) for each in changes.added[:NAMED]],
        "removed": [_item(each.id, _asset(each), None) for each in changes.removed[:NAMED]],
        "changed": [
            _item(each.id, _asset(before.assets[each.id]), _asset(each))
            for each in changes.changed[:NAMED]
        ],
        "sites changed": [
            _item(id, _site(before.sites.get(id)), _site(after.sites.get(id)))
            for id in sites[:NAMED]
        ],
    }
    counts = map(len, (changes.added, changes.removed, changes.changed, sites))
    told = [
        _in_words(verb, items, count)
        for (verb, items), count in zip(groups.items(), counts, strict=True)
        if count
    ]
    # Nothing but an order of sites: the page shows it.
    words = "; ".join(told) or "sites in another order"
    return Changes(words, tuple(item for items in groups.values() for item in items))


def _in_words(verb: str, items: Sequence[ChangedItem], count: int) -> str:
    names = ", ".join(str((item.after or item.before or {})["name"]) for item in items)
    more = count - len(items)
    return f"{verb} {names} and {more} more" if more else f"{verb} {names}"


def _item(
    id: str, was: Mapping[str, object] | None, now: Mapping[str, object] | None
) -> ChangedItem:
    """The item: whole if it is new or gone, otherwise its name and what differs."""
    if was is None or now is None:
        return ChangedItem(id, was, now)
    differ = {key for key in now if key == "name" or was[key] != now[key]}
    former, present = (
        {key: value for key, value in shown.items() if key in differ} for shown in (was, now)
    )
    return ChangedItem(id, former, present)


def _asset(asset: Asset) -> dict[str, object]:
    return {
        "name": asset.name,
        "site_id": asset.site_id,
        "kind": asset.kind.value,
        "rated_mw": asset.rated_mw,
        "limits": {"min_mw": asset.limits.min_mw, "max_mw": asset.limits.max_mw},
        "default_mw": asset.default_mw,
        "tolerance_pct": asset.tolerance_pct,
        "failsafe": {"after_s": asset.failsafe.after_s, "action": asset.failsafe.action.value},
        "agent": asset.agent,
        "energy_mwh": asset.energy_mwh,
        "response": None if asset.response is None else asdict(asset.response),
        "device": {
            "driver": asset.device.driver,
            **{key: str(value)[:OPTION_LENGTH] for key, value in asset.device.options.items()},
        },
    }


def _site(site: Site | None) -> dict[str, object] | None:
    if site is None:
        return None
    return {"name": site.name, "timezone": site.timezone, "agent": site.agent}
